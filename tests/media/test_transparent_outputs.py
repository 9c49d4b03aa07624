"""Transparency as other programs read it: Pillow, and FFmpeg with a decoder that knows it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from cpabmm_core.errors import MediaError
from cpabmm_core.media import VideoReader, output_target

Images = list[NDArray[np.uint8]]

RED, BLUE = (230, 20, 30), (20, 40, 220)
WITH_ALPHA = [
    ("a.webm", None, 6),
    ("a.mkv", None, 0),
    ("a.mkv", "vp9", 6),
    ("a.mov", None, 4),
    ("a.nut", None, 0),
    ("a.nut", "ffv1", 0),
    ("a.webp", None, 4),
    ("a.apng", None, 0),
    ("a/", None, 0),
]
"""Names, codecs, and the largest error of a sample away from edges."""


def moving(count: int, width: int = 96, height: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Yield frames in which an opaque and a half transparent block move to the right."""
    for number in range(count):
        image = np.zeros((height, width, 4), dtype=np.uint8)
        left = 4 * number
        image[8:24, left : left + 16] = (*RED, 255)
        image[32:48, left : left + 16] = (*BLUE, 128)
        yield image


def write(name: str, images: Images, **options: object) -> None:
    target = output_target(name, alpha=True, **options)  # type: ignore[arg-type]
    assert target.keeps_alpha
    height, width = images[0].shape[:2]
    with target.open(width, height, Fraction(25), Fraction(1, 25)) as writer:
        for number, image in enumerate(images):
            writer.write(image, number, 1)


def read(path: Path) -> Images:
    """Read (H, W, 4) frames without this project."""
    if path.is_dir():
        return [np.asarray(Image.open(name)) for name in sorted(path.iterdir())]
    if path.suffix in (".webp", ".apng", ".gif"):
        with Image.open(path) as image:
            return [np.array(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        decoder = stream.codec_context
        if decoder.name == "vp9":
            assert stream.metadata["alpha_mode"] == "1"
            created = av.CodecContext.create("libvpx-vp9", "r")
            assert isinstance(created, VideoCodecContext)
            decoder = created
        frames = [frame for packet in file.demux(stream) for frame in decoder.decode(packet)]
    for number, frame in enumerate(frames):
        if frame.format.name == "yuva420p":  # FFmpeg leaves out columns if it takes one step
            frames[number] = frame.reformat(format="yuva444p")
    return [frame.to_ndarray(format="rgba", threads=1).astype(np.uint8) for frame in frames]


def inner(number: int, top: int) -> tuple[slice, slice]:
    """Return the part of a block, or of the empty place above it, that no edge disturbs."""
    return slice(top, top + 8), slice(4 * number + 4, 4 * number + 12)


@pytest.mark.parametrize(("name", "codec", "error"), WITH_ALPHA)
def test_transparency_is_kept(tmp_path: Path, name: str, codec: str | None, error: int) -> None:
    images = list(moving(12))
    write(f"{tmp_path}/{name}", images, codec=codec)
    got = read(tmp_path / name)
    assert len(got) == 12
    for number, (one, image) in enumerate(zip(got, images, strict=True)):
        for top in (12, 36, 54):
            part = inner(number, top)
            alike = np.abs(one[part].astype(int) - image[part])
            assert alike[..., 3].max() <= error
            if top != 54:
                assert alike.max() <= error
        behind = one[12:20, : max(0, 4 * number - 4)]  # where the block has been
        assert not behind.size or behind[..., 3].max() <= error


def test_a_gif_keeps_one_bit(tmp_path: Path) -> None:
    images = list(moving(12))
    for image in images:
        image[56:, :, 3] = 127
    write(f"{tmp_path}/a.gif", images)
    for number, image in enumerate(read(tmp_path / "a.gif")):
        assert (image[inner(number, 12)] == (*RED, 255)).all()
        assert (image[inner(number, 36)] == (*BLUE, 255)).all()
        assert (image[56:, :, 3] == 0).all()
        assert (image[8:48, : 4 * number, 3] == 0).all()
    assert number == 11


@pytest.mark.parametrize(("name", "codec", "error"), [*WITH_ALPHA[:-1], ("a.gif", None, 0)])
def test_the_reader_of_this_project_puts_it_on_white(
    tmp_path: Path, name: str, codec: str | None, error: int
) -> None:
    images = list(moving(6))
    write(f"{tmp_path}/{name}", images, codec=codec)
    with VideoReader(tmp_path / name) as reader:
        frames = [frame.image for frame in reader]
    assert len(frames) == 6
    half = BLUE if name == "a.gif" else tuple((value * 128 + 255 * 127) // 255 for value in BLUE)
    for number, image in enumerate(frames):
        for top, colour in ((12, RED), (36, half), (54, (255, 255, 255))):
            assert np.abs(image[inner(number, top)].astype(int) - colour).max() <= error + 3


@pytest.mark.parametrize(("name", "codec"), [each[:2] for each in WITH_ALPHA])
@pytest.mark.parametrize("size", [(63, 47), (64, 47), (33, 64), (1, 1)])
def test_any_size_is_kept(
    tmp_path: Path, name: str, codec: str | None, size: tuple[int, int]
) -> None:
    images = [np.full((size[1], size[0], 4), (200, 100, 50, 90), dtype=np.uint8)] * 2
    images[1] = images[1] // 2
    write(f"{tmp_path}/{name}", images, codec=codec)
    got = read(tmp_path / name)
    assert [image.shape for image in got] == [(size[1], size[0], 4)] * 2
    for one, image in zip(got, images, strict=True):
        assert np.abs(one.astype(int) - image).max() <= 8


@pytest.mark.parametrize(("name", "codec"), [each[:2] for each in WITH_ALPHA])
def test_rgb_frames_are_opaque_there(tmp_path: Path, name: str, codec: str | None) -> None:
    write(f"{tmp_path}/{name}", [np.full((32, 32, 3), 90, dtype=np.uint8)], codec=codec)
    [image] = read(tmp_path / name)
    assert image.shape[2] == 3 or image[..., 3].min() >= 253


@pytest.mark.parametrize("width", range(16, 34))
def test_the_reader_of_this_project_sees_the_last_columns(tmp_path: Path, width: int) -> None:
    images = [np.full((10, width, 4), (200, 100, 50, 90), dtype=np.uint8)]
    write(f"{tmp_path}/a.webm", images)
    with VideoReader(tmp_path / "a.webm") as reader:
        [frame] = reader
    on_white = [(value * 90 + 255 * 165) / 255 for value in (200, 100, 50)]
    assert np.abs(frame.image - on_white).max() <= 8


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", None), ("a.mkv", "h264"), ("a.mov", "h265"), ("a.webm", "av1"), ("a.y4m", None)],
)
def test_formats_without_transparency_say_so_and_refuse_it(
    tmp_path: Path, name: str, codec: str | None
) -> None:
    target = output_target(f"{tmp_path}/{name}", codec=codec, alpha=True)
    assert not target.keeps_alpha
    with (
        pytest.raises(MediaError, match=r"expected a frame of shape \(height, width, 3\)"),
        target.open(96, 64, Fraction(25), Fraction(1, 25)) as writer,
    ):
        writer.write(next(moving(1)), 0, 1)


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.webm", "a.webp", "a.apng", "a.gif", "a/"])
def test_without_alpha_the_default_is_as_before_and_opaque(tmp_path: Path, name: str) -> None:
    target = output_target(f"{tmp_path}/{name}")
    assert not target.keeps_alpha
    assert target.format.codec not in ("prores_ks", "ffv1")
