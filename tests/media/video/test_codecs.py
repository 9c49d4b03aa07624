"""Every codec in every container: times, sizes, colours, quality."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import decoded_frames, number_of, numbered_frame
from numpy.typing import NDArray

from cpabmm_core.media import VideoReader, output_target
from cpabmm_core.media.video.codecs import CODECS
from cpabmm_core.media.video.formats import CONTAINERS, VIDEO_OUTPUT_SUFFIXES, video_format

TICKS = Fraction(1, 15360)
VARIABLE = [0, 512, 1024, 2000, 2600, 6000, 6512, 9000, 9512]
FILMS = ("mp4", "mov", "mkv", "webm", "nut")
COMBINED = [(name, codec) for name in FILMS for codec in CONTAINERS[name].codecs]
LOSSLESS = ["a.mkv-ffv1", "a.nut-raw", "a.nut-ffv1", "a.apng-apng"]
SCALED = [
    ("a.mp4", "h264"),
    ("a.mp4", "h265"),
    ("a.mp4", "av1"),
    ("a.webm", "vp9"),
    ("a.mov", "prores"),
    ("a.webp", "webp"),
    ("a.gif", "gif"),
]


def write(
    path: Path,
    images: list[NDArray[np.uint8]],
    times: list[int] | None = None,
    codec: str | None = None,
    quality: int | None = None,
) -> Path:
    height, width = images[0].shape[:2]
    target = output_target(str(path), codec=codec, quality=quality)
    with target.open(width, height, Fraction(30), TICKS) as writer:
        for number, image in enumerate(images):
            writer.write(image, times[number] if times else 512 * number, 512)
    return path


@pytest.mark.parametrize(("name", "codec"), COMBINED)
def test_variable_times_are_kept(tmp_path: Path, name: str, codec: str) -> None:
    images = [numbered_frame(k) for k in range(len(VARIABLE))]
    frames = decoded_frames(write(tmp_path / f"a.{name}", images, VARIABLE, codec))
    assert [number for _, number in frames] == list(range(len(VARIABLE)))
    errors = [abs(got - time * TICKS) for (got, _), time in zip(frames, VARIABLE, strict=True)]
    assert max(errors) <= (Fraction(1, 2000) if name in ("mkv", "webm") else 0)


@pytest.mark.parametrize(("name", "codec"), COMBINED)
@pytest.mark.parametrize("size", [(65, 49), (64, 49), (97, 64)])
def test_any_size_is_written(tmp_path: Path, name: str, codec: str, size: tuple[int, int]) -> None:
    width, height = size
    write(tmp_path / f"a.{name}", [numbered_frame(k, *size) for k in range(3)], codec=codec)
    with av.open(str(tmp_path / f"a.{name}")) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    even = codec in ("h264", "h265")
    stored = (height + height % 2, width + width % 2) if even else (height, width)
    assert [frame.shape[:2] for frame in frames] == [stored] * 3
    assert number_of(frames[2][:height, :width]) == 2


@pytest.mark.parametrize(("name", "codec"), COMBINED)
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (200, 120, 40), (255, 255, 255)])
def test_colours_are_preserved(
    tmp_path: Path, name: str, codec: str, colour: tuple[int, int, int]
) -> None:
    image = np.full((64, 64, 3), colour, dtype=np.uint8)
    with VideoReader(write(tmp_path / f"a.{name}", [image], codec=codec)) as reader:
        [frame] = reader
    assert np.abs(frame.image[8:-8, 8:-8].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("combination", LOSSLESS)
@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_lossless_codecs_change_no_sample(
    tmp_path: Path, combination: str, size: tuple[int, int]
) -> None:
    name, codec = combination.split("-")
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (3, size[1], size[0], 3), dtype=np.uint8))
    with VideoReader(write(tmp_path / name, images, codec=codec)) as reader:
        np.testing.assert_array_equal([frame.image for frame in reader], images)


def scene() -> list[NDArray[np.uint8]]:
    """Return frames with edges, gradients and some noise, which move."""
    y, x = np.mgrid[:96, :128]
    noise = np.random.default_rng(0).normal(0, 3, (96, 160))
    images = []
    for number in range(4):
        waves = (
            120
            + 80 * np.sin((x + 6 * number) / 9) * np.cos(y / 13)
            + noise[:, 6 * number :][:, :128]
        )
        square = (abs(x - 40 - 8 * number) < 12) & (abs(y - 48) < 16)
        planes = [np.where(square, 220, waves), waves, np.where(square, 30, 255 - waves)]
        images.append(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))
    return images


@pytest.mark.parametrize(("name", "codec"), SCALED)
def test_more_quality_is_a_larger_and_better_file(tmp_path: Path, name: str, codec: str) -> None:
    sizes, errors = [], []
    for quality in (1, 25, 50, 75, 100):
        folder = tmp_path / str(quality)
        folder.mkdir()
        path = write(folder / name, scene(), codec=codec, quality=quality)
        sizes.append(path.stat().st_size)
        with VideoReader(path) as reader:
            read = np.stack([frame.image for frame in reader])
        errors.append(float(np.mean((read - np.stack(scene()).astype(float)) ** 2)))
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)
    assert errors[0] > 1.4 * errors[-1]  # ProRes: its lowest quality is still good


def test_every_scale_of_quality_is_tested() -> None:
    scaled = {name for name, codec in CODECS.items() if codec.quality is not None}
    assert scaled == {codec for _, codec in SCALED}


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_h265_has_the_tag_that_apple_plays(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [numbered_frame(0)], codec="h265")
    with av.open(str(tmp_path / name)) as file:
        assert file.streams.video[0].codec_context.codec_tag == "hvc1"
    assert b"hvc1" in (tmp_path / name).read_bytes()


@pytest.mark.parametrize("suffix", VIDEO_OUTPUT_SUFFIXES)
def test_defaults_are_those_of_the_writer(suffix: str) -> None:
    assert output_target(f"a{suffix}").format == video_format(f"a{suffix}")


def test_codecs_that_talk_are_silent(tmp_path: Path) -> None:
    """x265 and SVT-AV1 print to stderr past FFmpeg's log."""
    program = """
from fractions import Fraction
import numpy as np
from cpabmm_core.media import output_target
for name, codec in (("a.mp4", "h265"), ("b.mp4", "av1"), ("c.webm", "vp9"), ("d.mp4", "h264")):
    with output_target(name, codec=codec).open(64, 48, Fraction(25), Fraction(1, 25)) as writer:
        writer.write(np.zeros((48, 64, 3), dtype=np.uint8), 0, 1)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{program}"],
        capture_output=True,
        cwd=tmp_path,
        check=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
