"""Downloading with yt-dlp, which a script replaces."""

import sys
from pathlib import Path

import pytest
from _helpers.fake_downloader import calls, install_fake_downloader

from cpabmm_core.data.preprocess.published.download import download_videos

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the replacement is a shell script")


@pytest.fixture
def program(tmp_path: Path) -> str:
    return install_fake_downloader(tmp_path / "bin")


def test_each_video_is_saved_under_its_id(tmp_path: Path, program: str) -> None:
    for name in ("AAAAAAAAAAA", "-BBBBBBBBBB"):
        (tmp_path / "bin" / "online" / f"{name}.mp4").write_text(name)
    folder = tmp_path / "100 % vidéos; $(touch no)"
    folder.mkdir()
    reports: list[str] = []
    steps: list[tuple[int, int]] = []
    download_videos(
        ["AAAAAAAAAAA", "-BBBBBBBBBB"],
        folder,
        program,
        report=reports.append,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert (folder / "AAAAAAAAAAA.mp4").read_text() == "AAAAAAAAAAA"
    assert (folder / "-BBBBBBBBBB.mp4").read_text() == "-BBBBBBBBBB"
    assert reports == []
    assert steps == [(1, 2), (2, 2)]
    first, second = calls(tmp_path / "bin")
    assert first[-2:] == ["--", "https://www.youtube.com/watch?v=AAAAAAAAAAA"]
    assert second[-2:] == ["--", "https://www.youtube.com/watch?v=-BBBBBBBBBB"]


def test_an_unavailable_video_is_reported_and_the_next_one_follows(
    tmp_path: Path, program: str
) -> None:
    (tmp_path / "bin" / "online" / "B.mp4").touch()
    reports: list[str] = []
    download_videos(["A", "B"], tmp_path, program, report=reports.append)
    assert reports == ["A: yt-dlp: ERROR: [youtube] A: Video unavailable. ERROR: is private"]
    assert (tmp_path / "B.mp4").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "failed with exit code 3 and no message"),
        ("echo 'Sign in to confirm' >&2; exit 1", "Sign in to confirm"),
        ("exit 0", "succeeded, but did not write A.mp4"),
    ],
)
def test_other_failures_are_reported(tmp_path: Path, script: str, words: str) -> None:
    program = tmp_path / "yt-dlp"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    reports: list[str] = []
    download_videos(["A"], tmp_path, str(program), report=reports.append)
    assert reports == [f"A: yt-dlp: {words}"]


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    reports: list[str] = []
    download_videos(["A"], tmp_path, str(tmp_path / "none"), report=reports.append)
    (line,) = reports
    assert line.startswith("A: yt-dlp: cannot be run (")
