"""The page in a real browser."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import requests
from _helpers.browser import Browser, open_browser
from _helpers.page import Page

from cpabmm_core.media import VideoWriter, write_image

FOREIGN = """
return performance.getEntriesByType("resource").map(entry => entry.name)
  .filter(name => !name.startsWith(location.origin) && !/^(data|blob):/.test(name));
"""
"""Addresses of other sites that the page has loaded something from."""
PLAYS = "const v = document.querySelector('#result video'); return v && v.videoWidth > 0 && v.src;"

SHOWS = "return document.querySelector('#{}-preview').innerText.includes('{}')"


@pytest.fixture
def browser(page: Page, tmp_path: Path) -> Iterator[Browser]:
    with open_browser(tmp_path / "profile") as browser:
        browser.visit(page.url)
        browser.wait_for("return document.querySelector('#animate')?.offsetParent != null")
        browser.wait_for("return document.querySelector('#driving-preview video')?.videoWidth > 0")
        yield browser


def text(browser: Browser, selector: str) -> str:
    return str(browser.run("return document.querySelector(arguments[0]).innerText", selector))


def test_the_bundled_pair_is_animated(browser: Browser) -> None:
    assert "source.png" in text(browser, "#source-preview")
    assert "driving.mp4" in text(browser, "#driving-preview")
    browser.click("#animate")
    browser.wait_for("return document.querySelector('#cancel')?.offsetParent != null")
    browser.wait_for("return document.querySelector('.status.done') != null")
    assert "75 frames of 192 x 192" in text(browser, "#status")
    browser.wait_for(PLAYS)
    assert requests.get(browser.run(PLAYS), timeout=10).content[4:8] == b"ftyp"
    assert browser.run("return document.querySelector('#download').offsetParent != null")
    assert browser.run(FOREIGN) == []
    assert browser.console_messages() == []  # such as requests that the policy has refused


def test_uploads_are_shown_and_animated(browser: Browser, tmp_path: Path) -> None:
    write_image(tmp_path / "odd <b>.png", np.full((33, 47, 3), 90, np.uint8))
    with VideoWriter(tmp_path / "drive.gif", 40, 30, 25, Fraction(1, 25)) as video:
        for number in range(3):
            video.write(np.full((30, 40, 3), 40 * number, np.uint8), number)
    browser.choose_file(".upload-source input[type=file]", tmp_path / "odd <b>.png")
    browser.wait_for(SHOWS.format("source", "47 x 33"))
    browser.choose_file(".upload-driving input[type=file]", tmp_path / "drive.gif")
    browser.wait_for(SHOWS.format("driving", "40 x 30"))
    browser.click("#animate")
    browser.wait_for("return document.querySelector('.status.done') != null")
    assert "3 frames of 33 x 33" in text(browser, "#status")

    (tmp_path / "notes.png").write_text("no picture")
    browser.choose_file(".upload-source input[type=file]", tmp_path / "notes.png")
    browser.wait_for("return document.querySelector('.status.error') != null")
    assert "notes.png: " in text(browser, "#status")
    assert "47 x 33" in text(browser, "#source-preview")


def test_a_phone_shows_all_without_scrolling_sideways(browser: Browser) -> None:
    for width in (320, 390):
        browser.emulate_phone(width)
        assert browser.run("return document.documentElement.scrollWidth") == width
        tops = [
            browser.run(f"return document.querySelector('{each}').getBoundingClientRect().top")
            for each in ("#source-preview", "#driving-preview", "#animate")
        ]
        assert tops == sorted(tops)
