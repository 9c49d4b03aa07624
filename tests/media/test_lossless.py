from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import write_test_video

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.media.lossless import is_lossless


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "expected"),
    [
        ("a.mkv", "ffv1", "bgr0", True),
        ("a.mkv", "libx264", "yuv420p", False),
        ("a.mp4", "libx264", "yuv420p", False),
        ("a.gif", "gif", "rgb8", False),
    ],
)
def test_a_video_is_lossless_if_its_codec_is(
    tmp_path: Path, name: str, codec: str, pixels: str, expected: bool
) -> None:
    path = write_test_video(tmp_path / name, frames=2, codec=codec, pixels=pixels)
    assert is_lossless(path) is expected


@pytest.mark.parametrize(("suffix", "expected"), [(".png", True), (".bmp", True), (".jpg", False)])
def test_the_format_decides_for_images_and_folders(
    tmp_path: Path, suffix: str, expected: bool
) -> None:
    write_image(tmp_path / f"0{suffix}", np.zeros((8, 8, 3), dtype=np.uint8))
    (tmp_path / "notes.txt").touch()
    assert is_lossless(tmp_path / f"0{suffix}") is expected
    assert is_lossless(tmp_path) is expected


def test_missing_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        is_lossless(tmp_path / "a.mp4")
