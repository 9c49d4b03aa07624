"""Still and animated pictures as videos."""

import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame
from _helpers.odd_files import display as odd
from PIL import Image, features

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import read_image
from cpabmm_core.media.video import FrameIndex, VideoReader, read_source
from cpabmm_core.media.video.picture_frames import is_picture

Save = Callable[[Path], None]


def clear_png(path: Path) -> None:
    image = Image.new("RGBA", (16, 8), (255, 0, 0, 0))
    image.paste((0, 0, 200, 128), (0, 0, 8, 8))
    image.save(path)


def palette_png(path: Path) -> None:
    Image.fromarray(numbered_frame(3)).quantize(8).save(path)


def deep_png(path: Path) -> None:
    Image.fromarray(np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)).save(path)


def plain(path: Path) -> None:
    Image.fromarray(numbered_frame(6)).save(path)


STILLS: dict[str, Save] = {
    "clear.png": clear_png,
    "palette.png": palette_png,
    "deep.png": deep_png,
    "deep.tiff": odd.make_deep_tiff,
    "turned.jpg": odd.make_turned_jpeg,
    "a.bmp": plain,
    "a.gif": plain,
    "a.webp": plain,
    "a.tga": plain,
    "a.ppm": plain,
    "a.jp2": plain,
    "png-named.mp4": lambda path: Image.fromarray(numbered_frame(1)).save(path, "PNG"),
}


@pytest.mark.parametrize("name", STILLS)
def test_still_picture_is_one_frame_that_read_image_reads(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    STILLS[name](path)
    expected = read_image(path)
    with VideoReader(path) as reader:
        frames = list(reader)
        assert (reader.height, reader.width, 3) == expected.shape
        assert not reader.has_audio
    assert [(f.pts, f.duration * reader.time_base) for f in frames] == [(0, Fraction(1, 25))]
    for image in (frames[0].image, FrameIndex(path).read([0])[0], read_source(path)):
        np.testing.assert_array_equal(image, expected)


ANIMATIONS = {
    "animated.webp": ([0, 1, 2, 3], [0, 40, 140, 240, 490]),
    "default-image.png": ([1, 2, 3], [0, 40, 100, 180]),
    "animated.avif": ([0, 1, 2, 3], [0, 60, 120, 180, 240]),
    "hasty.gif": ([0, 1, 2, 3], [0, 100, 200, 300, 400]),
    "repeating.gif": ([0, 0, 0, 1, 1, 2, 2, 2], list(range(0, 900, 100))),
}
"""The numbers of the frames, and their times and the end in milliseconds."""


@pytest.mark.parametrize("name", ANIMATIONS)
def test_animated_picture_gives_all_frames_with_the_delays_of_browsers(
    tmp_path: Path, name: str
) -> None:
    if name.endswith(".avif") and not features.check("avif"):
        pytest.skip("needs a Pillow that reads AVIF")
    odd.READABLE[name][0](tmp_path / name)
    numbers, times = ANIMATIONS[name]
    with VideoReader(tmp_path / name) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == numbers
    ends = [frame.pts for frame in frames] + [frames[-1].pts + frames[-1].duration]
    assert [end * reader.time_base * 1000 for end in ends] == times
    assert number_of(read_source(tmp_path / name)) == numbers[0]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_transparent_animation_is_composed_onto_white(tmp_path: Path, suffix: str) -> None:
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (24, 8), (0, 255, 0, 0))
        frame.paste((200, 0, 0, 255), (8 * number, 0, 8 * number + 8, 8))
        frames.append(frame)
    path = tmp_path / f"a{suffix}"
    options: dict[str, dict[str, Any]] = {
        ".webp": {"lossless": True},
        ".gif": {"disposal": 2},
        ".png": {"disposal": 1},
    }
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, **options[suffix])
    with VideoReader(path) as reader:
        images = [frame.image for frame in reader]
    for number, image in enumerate(images):
        expected = np.full((8, 24, 3), 255, np.uint8)
        expected[:, 8 * number : 8 * number + 8] = (200, 0, 0)
        np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(FrameIndex(path).read([2, 0]), [images[2], images[0]])


@pytest.mark.parametrize("name", ["animated.webp", "default-image.png"])
def test_damaged_animation_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    odd.READABLE[name][0](path)
    data = bytearray(path.read_bytes())
    start = len(data) * 3 // 4
    data[start : start + 30] = bytes(30)
    path.write_bytes(bytes(data))
    with pytest.raises(MediaError) as caught, VideoReader(path) as reader:
        list(reader)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_raw_mpeg_is_no_tga(tmp_path: Path) -> None:
    """These first bytes of an MPEG-2 stream are also a valid header of a TGA."""
    path = tmp_path / "a.m2v"
    path.write_bytes(
        bytes([0, 0, 1, 0xB3, 0, 16, 24, 0, 0, 0, 0, 0, 9, 0, 9, 0, 24, 0]) + bytes(99)
    )
    assert not is_picture(path)


def test_a_picture_that_announces_more_frames_than_it_holds_is_still(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    animation = b"acTL" + (2**24).to_bytes(4, "big") + bytes(4)
    Image.new("RGB", (6, 4), "red").save(path)
    content = path.read_bytes()
    checked = animation + zlib.crc32(animation).to_bytes(4, "big")
    path.write_bytes(content[:33] + (8).to_bytes(4, "big") + checked + content[33:])
    with VideoReader(path) as reader:
        [frame] = reader
    assert frame.image.tolist() == [[[255, 0, 0]] * 6] * 4
    assert len(FrameIndex(path)) == 1
