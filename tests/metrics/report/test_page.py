import re
from pathlib import Path

import pytest
from _helpers.reports import Page, decoded, flat_frames, result_of, write_frames

from cpabmm_core.errors import DataError, OutputExistsError
from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.report import write_report
from cpabmm_core.metrics.results import Coverage

NASTY = "<b onload=x>&\"'</script><script>alert(1)</script>{{ 7 * 7 }}"
DASH = "\N{EN DASH}"
VALUES: dict[str, dict[str, float | None]] = {
    "calm": {"l1": 0.01, "psnr": None, "akd": 2.0},
    NASTY: {"l1": 0.3, "psnr": 9.5, "akd": None},
    "middling": {"l1": 0.1, "psnr": 20.25, "akd": 1.0},
}
COVERAGE = {"keypoints": Coverage(1.0, 0.5)}


def pairs_of(folder: Path, count: int) -> list[tuple[Path, Path]]:
    real = write_frames(folder / "real" / "a", flat_frames(10, 60, 110))
    generated = write_frames(folder / "generated" / "a", flat_frames(10, 70, 130))
    return [(real, generated)] * count


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    for name in ("real", "generated"):
        (tmp_path / name).mkdir()
    return pairs_of(tmp_path, 3)


@pytest.fixture
def text(tmp_path: Path, pairs: list[tuple[Path, Path]]) -> str:
    result = result_of(VALUES, coverage=COVERAGE)
    write_report(tmp_path / "page.html", result, pairs, force=False)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def rows_of_videos(page: Page) -> list[list[str]]:
    start = next(n for n, row in enumerate(page.rows) if row[0] == "Video")
    return page.rows[start:]


def test_the_page_is_self_contained(text: str) -> None:
    page = Page(text)
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "base")]
    for tag, attributes in page.elements:
        for name in ("src", "poster", "srcset", "data", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    without_files = re.sub(r"data:[a-z/0-9]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert "://" not in without_files
    assert "url(" not in without_files.replace("url(#heat)", "")
    assert "@import" not in without_files


def test_names_are_escaped(text: str) -> None:
    page = Page(text)
    assert len(page.attributes("script")) == 1
    assert not page.attributes("b") or all("onload" not in each for each in page.attributes("b"))
    assert [row[0] for row in rows_of_videos(page)[1:]].count(NASTY) == 1
    labels = [each["aria-label"] for each in page.attributes("video")]
    assert f"{NASTY}: source, real, generated and error map side by side" in labels


def test_names_of_bytes_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    for name in ("real", "generated"):
        (tmp_path / name).mkdir()
    pairs = pairs_of(tmp_path, 1)
    result = result_of({"动\udcff": {"l1": 0.1}})
    write_report(tmp_path / "page.html", result, pairs, force=False)
    assert "动\\udcff" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_table_lists_all_videos_worst_first(text: str) -> None:
    head, *rows = rows_of_videos(Page(text))
    assert head == ["Video", "Frames", "L1", "PSNR", "AKD", "Coverage, keypoints"]
    assert rows == [
        [NASTY, "3", "0.30000", "9.500", DASH, "50%"],
        ["middling", "3", "0.10000", "20.250", "1.000", "50%"],
        ["calm", "3", "0.01000", DASH, "2.000", "50%"],
    ]


def test_the_page_shows_set_values_intervals_and_extractors(text: str) -> None:
    page = Page(text)
    of_set = {row[0]: row[1:] for row in page.rows[1 : 1 + len(METRICS)]}
    assert of_set["L1"] == ["0.12500", "0.06250 to 0.25000", "lower"]
    assert list(of_set) == [metric.title for metric in METRICS]
    assert of_set["FVD"][:2] == [DASH, DASH]
    words = " ".join(page.text.split())
    assert "puppets, version 7, side 9. Subject found in 100.0% of the real and 87.5%" in words
    assert "0123456789abcdef" * 4 in words
    assert "Identity Not used." in words
    assert "3 videos, 9 frames" in words


def test_the_page_shows_no_undefined_numbers(text: str) -> None:
    page = Page(text)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", page.text, re.IGNORECASE)


def test_every_video_plays_in_the_order_of_the_table(text: str) -> None:
    page = Page(text)
    videos = page.attributes("video")
    assert [str(each["aria-label"]).partition(":")[0] for each in videos] == [
        NASTY.partition(":")[0],
        "middling",
        "calm",
    ]
    for video in videos:
        assert len(decoded(str(video["src"]))) == 3
        assert video["preload"] == "none"
        assert "controls" in video  # for browsers without scripts
    assert len(page.attributes("svg")) == 3 + 1  # histograms and the colour scale
    assert "The videos take" in page.text


def test_only_the_worst_videos_are_shown_and_the_others_counted(
    tmp_path: Path, pairs: list[tuple[Path, Path]]
) -> None:
    counts: list[tuple[int, int]] = []
    write_report(
        tmp_path / "page.html",
        result_of(VALUES),
        pairs,
        force=False,
        max_panels=1,
        progress=lambda done, total: counts.append((done, total)),
    )
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    (video,) = page.attributes("video")
    assert str(video["aria-label"]).startswith(NASTY)
    assert "The worst video by L1; 2 better ones are omitted." in page.text
    assert len(rows_of_videos(page)) == 1 + 3
    assert counts == [(1, 1)]


def test_a_shortened_video_is_labelled(tmp_path: Path, pairs: list[tuple[Path, Path]]) -> None:
    write_report(
        tmp_path / "p.html", result_of({"a": {"l1": 0.1}}, frames=9), pairs[:1], force=False
    )
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "first 3 of 9 frames" in text


def test_an_existing_page_survives_failures_and_calls_without_force(
    tmp_path: Path, pairs: list[tuple[Path, Path]]
) -> None:
    path = tmp_path / "page.html"
    path.write_text("existing")
    with pytest.raises(OutputExistsError):
        write_report(path, result_of(VALUES), pairs, force=False)
    missing = [*pairs[:2], (tmp_path / "none.mp4", tmp_path / "none.mp4")]
    with pytest.raises(Exception, match=r"none\.mp4"):
        write_report(path, result_of(VALUES), missing, force=True)
    assert path.read_text() == "existing"
    write_report(path, result_of(VALUES), pairs, force=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert {each.name for each in tmp_path.iterdir()} == {"page.html", "real", "generated"}


def test_a_wrong_number_of_pairs_is_rejected(
    tmp_path: Path, pairs: list[tuple[Path, Path]]
) -> None:
    with pytest.raises(DataError, match="got 2 for 3"):
        write_report(tmp_path / "page.html", result_of(VALUES), pairs[:2], force=False)
