"""The content of a file decides how it is read, not its suffix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.odd_files import folders as odd
from PIL import Image

from cpabmm_core.errors import DataError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.content import is_gif, is_still
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.timed_frames import open_frames
from cpabmm_core.metrics.video_pairs import are_single_images, coding_warnings, read_frame_pairs

WRONG: list[tuple[str, Callable[[Path], None], bool]] = [
    ("strip.mp4", odd.make_png_named_mp4, True),
    ("strip.png", odd.make_jpeg_named_png, False),
    ("video.png", odd.make_mp4_named_png, False),
    ("video.tif", odd.make_mp4_named_png, False),
    ("gif.mp4", odd.make_gif, False),
    ("gif.jpg", odd.make_gif, False),
    ("stack.jpg", odd.make_tiff_stack_named_jpg, True),
    ("stack.avi", odd.make_tiff_stack_named_jpg, True),
    ("strip", odd.make_png_named_mp4, True),
]


@pytest.mark.parametrize(("name", "make", "lossless"), WRONG)
def test_a_wrong_suffix_changes_nothing(
    tmp_path: Path, name: str, make: Callable[[Path], None], lossless: bool
) -> None:
    make(tmp_path / name)
    numbers = [*range(odd.FRAMES)]
    assert [number_of(image) for image in open_clip(tmp_path / name).read(numbers)] == numbers
    assert [number_of(frame.image) for frame in open_frames(tmp_path / name)] == numbers
    assert is_lossless(tmp_path / name) is lossless


def test_metrics_pair_by_content(tmp_path: Path) -> None:
    odd.make_png_named_mp4(tmp_path / "real.mp4")
    odd.make_tiff_stack_named_jpg(tmp_path / "stack.jpg")
    for name in ("real.mp4", "copy.avi"):
        Image.fromarray(numbered_frame(5)).save(tmp_path / name, "PNG")
    assert are_single_images(tmp_path / "real.mp4", tmp_path / "copy.avi")
    assert coding_warnings([(tmp_path / "real.mp4", tmp_path / "stack.jpg")]) == []
    ((real, generated),) = read_frame_pairs(tmp_path / "real.mp4", tmp_path / "copy.avi", 4)
    np.testing.assert_array_equal(real, generated)


def test_animated_pictures_are_no_stills(tmp_path: Path) -> None:
    images = [Image.fromarray(numbered_frame(number)) for number in range(3)]
    for form, expected in (("PNG", False), ("WEBP", False), ("GIF", False), ("TIFF", True)):
        images[0].save(tmp_path / "a", form, save_all=True, append_images=images[1:])
        assert is_still(tmp_path / "a") is expected
        images[0].save(tmp_path / "b", form)
        assert is_still(tmp_path / "b") is (form != "GIF")
        assert is_gif(tmp_path / "a") is (form == "GIF")


def test_raw_video_is_no_targa_image(tmp_path: Path) -> None:
    for muxer, codec in (("h264", "libx264"), ("mpeg", "mpeg1video")):
        path = tmp_path / f"a.{muxer}"
        write_test_video(path, codec=codec, container_format=muxer)
        assert not is_still(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.heic"])
def test_content_of_neither_kind_is_reported_as_its_suffix_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match="image"):
        open_clip(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"format": "WEBP", "lossless": True}, True),
        ({"format": "WEBP"}, False),
        ({"format": "TIFF", "compression": "tiff_lzw"}, True),
        ({"format": "TIFF", "compression": "jpeg"}, False),
        ({"format": "PPM"}, True),
        ({"format": "JPEG"}, False),
    ],
)
def test_the_coding_of_an_image_decides_whether_it_is_lossless(
    tmp_path: Path, options: dict[str, Any], expected: bool
) -> None:
    image = Image.fromarray(numbered_frame(3))
    image.save(tmp_path / "0.bmp", **options)
    assert is_lossless(tmp_path / "0.bmp") is expected
    assert is_lossless(tmp_path) is expected
