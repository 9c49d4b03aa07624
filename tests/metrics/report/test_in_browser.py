"""The report in a browser; skipped without Chromium or its driver."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _helpers.browser import Browser, open_browser
from _helpers.reports import result_of, write_frames

from cpabmm_core.metrics.report import write_report
from cpabmm_core.metrics.report.panels import GAP

FRAMES = 60  # 2.4 s per video
SIDE = 64
VALUES: dict[str, dict[str, float | None]] = {
    "video 10": {"l1": 0.25, "psnr": 12.0, "akd": None},
    "video 9": {"l1": 0.125, "psnr": 11.0, "akd": 4.0},
    "</script><b>&\"'": {"l1": 0.5, "psnr": 13.0, "akd": 2.5},
}
NASTY = "</script><b>&\"'"
ORDER = "return [...document.querySelectorAll('#videos tbody th')].map((e) => e.textContent)"
SORTED = (
    "return [...document.querySelectorAll('#videos thead th[aria-sort]')]"
    ".map((e) => [e.textContent, e.getAttribute('aria-sort')])"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three videos whose generated frames become brighter over time."""
    folder = tmp_path_factory.mktemp("report")
    real = np.full((FRAMES, SIDE, SIDE, 3), 40, np.uint8)
    generated = real + np.arange(FRAMES, dtype=np.uint8)[:, None, None, None]
    pair = write_frames(folder / "a", real), write_frames(folder / "b", generated)
    write_report(folder / "p.html", result_of(VALUES, frames=FRAMES), [pair] * 3, force=False)
    return folder / "p.html"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(window: Browser, page: Path) -> Browser:
    window.open(page)
    return window


def heading(column: int) -> str:
    return f"#videos thead th:nth-child({column}) button"


def test_the_page_opens_worst_first_without_console_messages(browser: Browser) -> None:
    assert browser.run(ORDER) == [NASTY, "video 10", "video 9"]
    assert browser.run(SORTED) == [["L1", "descending"]]
    assert browser.console_messages() == []


def test_console_messages_are_detected(browser: Browser) -> None:
    browser.run(
        "document.addEventListener('securitypolicyviolation', () => { window.refused = true; });"
        "new Image().src = 'https://127.0.0.1:9/a.png'"
    )
    browser.wait_for("return window.refused")
    assert any("Content Security Policy" in each for each in browser.console_messages())


def test_a_heading_sorts_worst_first_then_best_first(browser: Browser) -> None:
    psnr = heading(4)
    browser.click(psnr)
    assert browser.run(ORDER) == ["video 9", "video 10", NASTY]
    assert browser.run(SORTED) == [["PSNR", "ascending"]]
    browser.click(psnr)
    assert browser.run(ORDER) == [NASTY, "video 10", "video 9"]
    assert browser.run(SORTED) == [["PSNR", "descending"]]


def test_missing_values_sort_last_in_both_directions(browser: Browser) -> None:
    for expected in (["video 9", NASTY, "video 10"], [NASTY, "video 9", "video 10"]):
        browser.click(heading(5))
        assert browser.run(ORDER) == expected


def test_names_sort_naturally_by_keyboard(browser: Browser) -> None:
    browser.press(heading(1), "\ue007")  # Enter
    names = browser.run(ORDER)
    assert names.index("video 9") < names.index("video 10")
    assert browser.run(SORTED) == [["Video", "ascending"]]


def test_videos_are_not_loaded_before_they_play(browser: Browser) -> None:
    states = "return [...document.querySelectorAll('video')].map((e) => [e.readyState, e.paused])"
    assert browser.run(states) == [[0, True]] * 3
    assert browser.run("return document.querySelector('video').controls") is False


def test_a_video_plays_its_panels_in_sync(browser: Browser) -> None:
    first = "article:first-of-type"
    browser.click(f"{first} .player button")
    browser.wait_for(
        "const v = document.querySelector('video'); return v.readyState >= 2 && v.currentTime > 0.2"
    )
    assert browser.run("return document.querySelector('.player button').textContent") == "Pause"
    browser.click(f"{first} .player button")
    assert browser.run("return document.querySelector('video').paused")
    label = "document.querySelector('.player button').getAttribute('aria-label')"
    browser.wait_for(f"return {label}.startsWith('Play')")  # the event arrives later
    assert browser.run(f"return {label}") == f"Play {NASTY}"
    for share in (0.25, 0.75):
        assert_shows(browser, round(share * FRAMES))
    assert browser.console_messages() == []


def assert_shows(browser: Browser, frame: int) -> None:
    """Move the slider to a frame and check that all panels show it."""
    browser.run(
        "window.sought = false; const v = document.querySelector('video');"
        "v.addEventListener('seeked', () => { window.sought = true; }, { once: true });"
        "const t = document.querySelector('.player input'); t.value = arguments[0];"
        "t.dispatchEvent(new Event('input'))",
        (frame + 0.5) / 25,
    )
    browser.wait_for("return window.sought && document.querySelector('video').readyState >= 2")
    centres = [panel * (SIDE + GAP) + SIDE // 2 for panel in range(4)]
    greys = browser.run(
        "const v = document.querySelector('video'), c = document.createElement('canvas');"
        "c.width = v.videoWidth; c.height = v.videoHeight; const p = c.getContext('2d',"
        " { willReadFrequently: true });"
        "p.drawImage(v, 0, 0);"
        "return arguments[0].map((x) => p.getImageData(x, arguments[1], 1, 1).data[1])",
        centres,
        SIDE // 2,
    )
    assert greys[:3] == pytest.approx([40, 40, 40 + frame], abs=5)


def test_all_play_and_pause_together(browser: Browser) -> None:
    browser.run("document.querySelector('#play-all').scrollIntoView()")
    browser.click("#play-all")
    playing = "[...document.querySelectorAll('video')].filter((e) => !e.paused).length"
    browser.wait_for(f"return {playing} >= 2")
    assert browser.run("return document.querySelector('#play-all').textContent") == "Pause all"
    browser.run("window.scrollTo(0, 0)")  # videos outside the viewport pause
    browser.wait_for(f"return {playing} === 0")
    browser.run("document.querySelector('#play-all').scrollIntoView()")
    browser.wait_for(f"return {playing} >= 2")
    browser.click("#play-all")
    assert browser.run(f"return {playing}") == 0
    assert browser.console_messages() == []


def test_all_controls_have_an_accessible_name(browser: Browser) -> None:
    unnamed = browser.run(
        "return [...document.querySelectorAll('button, input, video, a, svg, [role=region]')]"
        ".filter((e) => !e.hidden && !e.textContent.trim() && !e.getAttribute('aria-label')"
        " && !e.getAttribute('aria-labelledby')).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_on_a_phone_only_tables_and_panels_scroll(page: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        browser.emulate_phone(320)
        browser.open(page)
        assert browser.run("return window.innerWidth") == 320
        assert browser.run("return document.documentElement.scrollWidth") == 320
        wider = (
            "return [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > 320)"
        )
        assert browser.run(f"{wider}.length") > 1
