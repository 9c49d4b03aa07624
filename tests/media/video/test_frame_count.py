from pathlib import Path

import pytest
from _helpers.media_files import write_test_video

from cpabmm_core.media.video.frame_count import announced_frames


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi"])
def test_the_announced_number_is_about_that_of_the_frames(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    write_test_video(tmp_path / name, frames=25, rate=25, codec=codec)
    assert announced_frames(tmp_path / name) == pytest.approx(25, abs=1)


def test_what_is_no_video_announces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no video\n" * 99)
    assert announced_frames(tmp_path / "a.txt") is None
    assert announced_frames(tmp_path / "missing.mp4") is None
