from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from _helpers.media_files import number_of, numbered_frame
from _helpers.system import limited_file_size
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import MediaError, ResourceError
from cpabmm_core.media import VideoReader, output_target
from cpabmm_core.media.video import webp

Images = list[NDArray[np.uint8]]


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webp, "_STRETCH", 7)


def write(
    path: Path,
    images: Images,
    times: list[int] | None = None,
    last: int = 40,
    base: Fraction = Fraction(1, 1000),
    **options: object,
) -> None:
    height, width = images[0].shape[:2]
    target = output_target(str(path), alpha=images[0].shape[2] == 4, **options)  # type: ignore[arg-type]
    with target.open(width, height, Fraction(25), base) as writer:
        for number, image in enumerate(images):
            writer.write(image, times[number] if times else 40 * number, last)


def read(path: Path) -> tuple[Images, list[int]]:
    """Return the frames and their delays in milliseconds, as Pillow reads them."""
    images, delays = [], []
    with Image.open(path) as file:
        assert file.info["loop"] == 0
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            images.append(np.array(file.convert("RGBA")))
            delays.append(file.info["duration"])
    return images, delays


@pytest.mark.parametrize("count", [1, 2, 6, 7, 8, 14, 15, 30])
def test_every_frame_has_its_number_and_its_delay(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    delays = [int(delay) for delay in rng.integers(11, 3000, count)]
    times = [sum(delays[:k]) + 5 for k in range(count)]
    write(tmp_path / "a.webp", [numbered_frame(k) for k in range(count)], times, delays[-1])
    images, got = read(tmp_path / "a.webp")
    assert [number_of(image[..., :3]) for image in images] == list(range(count))
    assert got == delays
    with VideoReader(tmp_path / "a.webp") as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(count))


def test_times_are_rounded_without_drift(tmp_path: Path) -> None:
    base = Fraction(1001, 30000)
    images = [numbered_frame(k) for k in range(40)]
    write(tmp_path / "a.webp", images, list(range(40)), last=1, base=base)
    _, delays = read(tmp_path / "a.webp")
    starts = [sum(delays[:k]) for k in range(40)]
    assert max(abs(start - 1000 * k * base) for k, start in enumerate(starts)) <= Fraction(1, 2)


def test_no_delay_is_so_short_that_players_replace_it(tmp_path: Path) -> None:
    images = [numbered_frame(k) for k in range(9)]
    write(tmp_path / "a.webp", images, list(range(9)), last=1, base=Fraction(1, 240))
    _, delays = read(tmp_path / "a.webp")
    assert min(delays[:-1]) == 11


def test_a_last_frame_without_a_duration_lasts_as_long_as_the_others(tmp_path: Path) -> None:
    images = [numbered_frame(k) for k in range(9)]
    write(tmp_path / "a.webp", images, [50 * k for k in range(9)], last=0)
    assert read(tmp_path / "a.webp")[1] == 9 * [50]
    write(tmp_path / "b.webp", images[:1], last=0)
    assert read(tmp_path / "b.webp")[1] == [100]


def test_equal_frames_become_one_of_the_whole_length(tmp_path: Path) -> None:
    write(tmp_path / "a.webp", [numbered_frame(k // 20) for k in range(40)])
    images, delays = read(tmp_path / "a.webp")
    assert sum(delays) == 40 * 40
    times = np.cumsum(delays)
    assert [number_of(image[..., :3]) for image in images] == [int(t > 20 * 40) for t in times]


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_nothing_of_earlier_frames_shines_through(tmp_path: Path, quality: int) -> None:
    """A dot moves over a transparent picture, so that the encoder crops each frame."""
    images = []
    for number in range(24):
        image = np.zeros((48, 64, 4), dtype=np.uint8)
        image[8 + number : 16 + number, 2 * number : 2 * number + 8] = (200, 30, 60, 255)
        images.append(image)
    images[10][:] = 0
    write(tmp_path / "a.webp", images, quality=quality)
    got, _ = read(tmp_path / "a.webp")
    assert len(got) == 24
    for image, one in zip(images, got, strict=True):
        np.testing.assert_array_equal(one[..., 3] > 127, image[..., 3] > 127)


def test_frames_of_one_file_are_coded_by_their_differences(tmp_path: Path) -> None:
    """A still background costs once per stretch, not once per frame."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    images = []
    for number in range(14):
        image = ground.copy()
        image[40:48, 4 * number : 4 * number + 8] = (255, 0, 0)
        images.append(image)
    write(tmp_path / "one.webp", images[:1])
    write(tmp_path / "a.webp", images)
    assert (tmp_path / "a.webp").stat().st_size < 5 * (tmp_path / "one.webp").stat().st_size


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    """The encoder would keep all frames, here 18 kB each."""
    rng = np.random.default_rng(0)
    process = psutil.Process()
    used = []
    with output_target(f"{tmp_path}/a.webp").open(96, 96, Fraction(25), Fraction(1, 25)) as writer:
        for number in range(600):
            writer.write(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), number, 1)
            used.append(process.memory_info().rss)
    size = (tmp_path / "a.webp").stat().st_size
    assert used[-1] - used[99] < size * 500 / 600 / 4


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (30, 96, 96, 3), dtype=np.uint8))
    with limited_file_size(60_000), pytest.raises(ResourceError, match="no space"):
        write(tmp_path / "a.webp", images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("time", [0, -1])
def test_times_must_increase(tmp_path: Path, time: int) -> None:
    with pytest.raises(MediaError, match=rf"a\.webp: timestamp {time} is not greater than 0"):
        write(tmp_path / "a.webp", [numbered_frame(0)] * 2, [0, time])


def test_a_frame_that_webp_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.webp: "):
        write(tmp_path / "a.webp", [np.zeros((4, 16384, 3), dtype=np.uint8)])
    assert not list(tmp_path.iterdir())
