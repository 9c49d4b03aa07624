"""Frames are as a player shows them: pixel shape, transparency, colours, dynamic range."""

import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.odd_files import display as odd

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import FrameIndex, VideoReader, read_source
from cpabmm_core.media.video.high_range import to_standard_range

ROOT = Path(__file__).parents[3]


def read(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        images = [frame.image for frame in reader]
        assert {image.shape for image in images} == {(reader.height, reader.width, 3)}
    return images


SHAPES = {
    "wide-pixels.mp4": (128, 128),
    "tall-pixels.mkv": (128, 128),
    "dvd.mpg": (90, 68),
    "dv.avi": (720, 540),
    "display-width.webm": (127, 48),
    "turned-wide-pixels.mp4": (96, 128),
    "absurd-pixels.mov": (64, 48),
    "changing-pixels.h264": (64, 48),
}


@pytest.mark.parametrize("name", SHAPES)
def test_pixels_that_are_not_square_are_read_at_their_display_size(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    odd.READABLE[name][0](path)
    images = read(path)
    assert images[0].shape[1::-1] == SHAPES[name]
    if not name.startswith("turned"):
        numbers = [number_of(image) for image in images]
        assert numbers == [k % 6 for k in range(len(images))]
    assert read_source(path).shape == images[0].shape


def test_stretched_frame_is_the_picture_that_was_squeezed(tmp_path: Path) -> None:
    odd.write_shaped(tmp_path / "a.mov", (64, 96), Fraction(2), "qtrle", "rgb24")
    image = read(tmp_path / "a.mov")[5]
    expected = np.repeat(numbered_frame(5, 64, 96), 2, axis=1).astype(int)
    edges = np.abs(np.diff(expected.sum(axis=2), axis=1)).max(axis=0) > 0
    flat = ~np.convolve(edges, np.ones(9), "same").astype(bool)  # the filter rounds the edges
    np.testing.assert_allclose(image[:, :-1][:, flat], expected[:, :-1][:, flat], atol=3)
    assert np.abs(image - expected).mean() < 8


def test_stretched_frame_is_turned_afterwards(tmp_path: Path) -> None:
    odd.make_turned_wide_pixels(tmp_path / "turned.mp4")
    odd.write_shaped(tmp_path / "upright.mp4", (64, 96), Fraction(2))
    for turned, upright in zip(
        read(tmp_path / "turned.mp4"), read(tmp_path / "upright.mp4"), strict=True
    ):
        np.testing.assert_array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize(
    ("across", "down"), [(0, 1), (1, 0), (1, 1000), (10000, 1), (17, 1), (2**31, 1), (1, 1)]
)
def test_absurd_ratio_counts_as_none(tmp_path: Path, across: int, down: int) -> None:
    odd.write_pixel_shape(tmp_path / "a.mov", across, down)
    for number, image in enumerate(read(tmp_path / "a.mov")):
        np.testing.assert_array_equal(image, numbered_frame(number))


def test_absurd_ratio_in_the_container_leaves_that_of_the_stream(tmp_path: Path) -> None:
    odd.make_wide_pixels(tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    data[data.index(b"pasp") + 4 : data.index(b"pasp") + 12] = bytes([0, 0, 0, 1, 0, 0, 9, 0])
    (tmp_path / "a.mp4").write_bytes(bytes(data))
    assert read(tmp_path / "a.mp4")[0].shape == (128, 128, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_square_pixels_are_not_touched(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    path = write_test_video(tmp_path / name, codec=codec)
    with av.open(str(path)) as source:
        expected = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    np.testing.assert_array_equal(read(path), expected)


@pytest.mark.parametrize(
    "name", ["transparent-vp9.webm", "transparent-vp9.mkv", "transparent-vp8.webm"]
)
def test_transparent_webm_is_composited_onto_white(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    odd.READABLE[name][0](path)
    for number, image in enumerate(read(path)):
        half = image.shape[0] // 2
        assert np.abs(image[: half - 3].astype(int) - 255).max() <= 1
        assert np.abs(image[half + 3 :].astype(int) - 20 * number).max() <= 6
    np.testing.assert_array_equal(read_source(path), read(path)[0])


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.avi", "utvideo", "gbrap"),
    ],
)
def test_other_transparent_videos(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    odd.write_transparent(tmp_path / name, codec, pixels)
    for number, image in enumerate(read(tmp_path / name)):
        assert np.abs(image[:30].astype(int) - 255).max() <= 1
        assert np.abs(image[34:].astype(int) - 20 * number).max() <= 6


def test_opaque_webm_keeps_the_faster_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_test_video(tmp_path / "a.webm", codec="libvpx-vp9")

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("cpabmm_core.media.video.decoder._alpha_decoder", refuse)
    assert len(read(path)) == 10


MATRICES = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
FULL, LIMITED = 2, 1


def to_rgb(values: tuple[int, int, int], matrix: str, *, full: bool, bits: int) -> np.ndarray:
    """Convert Y'CbCr to R'G'B' in [0, 255] by the formulas of the standards."""
    red, blue = MATRICES[matrix]
    scale = 2 ** (bits - 8)
    y, u, v = (value / scale for value in values)
    if full:
        top = (2**bits - 1) / scale
        y, u, v = y / top, (u - 128) / top, (v - 128) / top
    else:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.array([r, g, b]).clip(0, 1) * 255


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("tag", "matrix"), [(6, "601"), (5, "601"), (1, "709"), (9, "2020"), (2, "601")]
)
@pytest.mark.parametrize(
    ("pixels", "bits"),
    [("yuv420p", 8), ("yuv422p", 8), ("yuv444p", 8), ("yuv420p10le", 10), ("yuv444p12le", 12)],
)
def test_matrix_and_range_are_those_of_the_tags(
    tmp_path: Path, pixels: str, bits: int, tag: int, matrix: str, full: bool
) -> None:
    y, u, v = (value << (bits - 8) for value in (150, 100, 160))
    values = (y, u, v)
    path = tmp_path / "a.mkv"
    odd.write_colour(
        path, values, pixels=pixels, colorspace=tag, color_range=FULL if full else LIMITED
    )
    expected = to_rgb(values, matrix, full=full, bits=bits)
    # FFmpeg's fast conversion of subsampled pixels is up to 2 of 255 off.
    np.testing.assert_allclose(read(path)[0][10, 10], expected, atol=2.6)


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((1280, 720), "709"), ((64, 600), "709"), ((720, 576), "601"), ((854, 480), "601")],
)
def test_matrix_that_is_not_stated_follows_from_the_size(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    path = tmp_path / "a.mkv"
    odd.write_colour(path, (150, 100, 160), pixels="yuv420p", size=size)
    expected = to_rgb((150, 100, 160), matrix, full=False, bits=8)
    np.testing.assert_allclose(read(path)[0][10, 10], expected, atol=2.6)


@pytest.mark.parametrize(
    ("pixels", "planes", "expected"),
    [
        ("gray", (150, 0, 0), (150, 150, 150)),
        ("gray16le", (150 * 257, 0, 0), (150, 150, 150)),
        ("gbrp12le", (640, 3200, 1440), (90, 40, 199)),
        ("gbrp10le", (160, 800, 360), (90, 40, 199)),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (1280, 720)])
def test_grey_and_rgb(
    tmp_path: Path,
    size: tuple[int, int],
    pixels: str,
    planes: tuple[int, int, int],
    expected: tuple[int, int, int],
) -> None:
    odd.write_colour(tmp_path / "a.mkv", planes, pixels=pixels, size=size)
    np.testing.assert_allclose(read(tmp_path / "a.mkv")[0][10, 10], expected, atol=1)


def test_fields_of_an_interlaced_frame_stay_together(tmp_path: Path) -> None:
    path = write_test_video(
        tmp_path / "a.mpg", codec="mpeg2video", options={"flags": "+ildct+ilme", "b": "4M"}
    )
    with av.open(str(path)) as source:
        assert all(frame.interlaced_frame for frame in source.decode(video=0))
    images = read(path)
    assert [number_of(image) for image in images] == list(range(10))
    assert images[0].shape == (48, 64, 3)


def from_srgb(value: np.ndarray) -> np.ndarray:
    value = value / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def pq_signal(nits: float) -> float:
    """Return the PQ signal of a light level by SMPTE ST 2084."""
    y = (nits / 10000) ** (2610 / 16384)
    signal: float = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    return signal


def hlg_signal(scene: float) -> float:
    """Return the HLG signal of scene light by ITU-R BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return math.sqrt(3 * scene) if scene <= 1 / 12 else a * math.log(12 * scene - b) + c


@pytest.mark.parametrize("nits", [1, 20, 100, 150])
def test_dark_and_middle_light_of_pq_and_hlg_is_unchanged(nits: float) -> None:
    scene = (nits / 1000) ** (1 / 1.2)
    for transfer, signal in ((16, pq_signal(nits)), (18, hlg_signal(scene))):
        pixels = np.full((2, 2, 3), round(signal * 65535), np.uint16)
        shown = from_srgb(to_standard_range(pixels, transfer, wide=True))
        # The 8-bit result has steps of a few percent in the dark.
        np.testing.assert_allclose(shown * 203, nits, rtol=0.03, atol=0.08)


def test_bright_light_approaches_white_in_order() -> None:
    levels = [pq_signal(nits) for nits in (150, 203, 400, 1000, 4000)]
    pixels = np.array([[[round(level * 65535)] * 3 for level in levels]], np.uint16)
    shown = to_standard_range(pixels, 16, wide=True)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert 215 < shown[0] < 230
    assert shown[1:3].tolist() < [255, 255]
    assert shown[-1] == 255


def test_bt2020_colours_become_those_of_bt709() -> None:
    """The light of a BT.709 red, written with the primaries of BT.2020 (ITU-R BT.2087)."""
    light = 100 * np.array([0.6274, 0.0691, 0.0164])
    pixels = np.array([[[round(pq_signal(part) * 65535) for part in light]]], np.uint16)
    shown = from_srgb(to_standard_range(pixels, 16, wide=True))[0, 0] * 203
    np.testing.assert_allclose(shown, (100, 0, 0), atol=1.5)


def test_pq_video_is_read_as_standard_range(tmp_path: Path) -> None:
    odd.make_pq(tmp_path / "a.mkv")
    image = read(tmp_path / "a.mkv")[0]
    white = 1 - 0.25 * np.exp(-1)  # a quarter above the knee
    np.testing.assert_allclose(from_srgb(image), white, atol=0.02)


@pytest.mark.parametrize("name", odd.TOO_LARGE)
def test_frames_that_are_too_large_are_refused_with_the_limit(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    odd.TOO_LARGE[name](path)
    for reader in (VideoReader, FrameIndex):
        with pytest.raises(MediaError) as caught:
            reader(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert ("limit for GIF is 64 megapixels" if name == "huge.gif" else "67,108,864") in message
        assert "\n" not in message
        if name != "huge-vp8.webm":  # only its frames state their size
            assert any(size in message for size in ("12000 x 12000", "48000 x 3000"))


MEASURE = """
import resource, sys
from pathlib import Path
from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import VideoReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        VideoReader(name)
    except MediaError:
        print(name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_refusal_of_large_frames_costs_no_memory(tmp_path: Path) -> None:
    names = [name for name in odd.TOO_LARGE if name != "huge-display.mp4"]  # really decoded
    for name in names:
        odd.TOO_LARGE[name](tmp_path / name)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEASURE, *(str(tmp_path / name) for name in names)],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert len(lines) == len(names)
    assert result.stderr == ""
    assert all(int(line.rpartition(" ")[2]) < 100_000 for line in lines), lines  # kilobytes
