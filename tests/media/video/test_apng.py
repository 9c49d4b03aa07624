from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame
from PIL import Image

from cpabmm_core.media import VideoReader, output_target
from cpabmm_core.media.video.apng_end import set_last_delay


def write(path: Path, times: list[int], base: Fraction, last: int) -> None:
    with output_target(str(path)).open(64, 48, Fraction(25), base) as writer:
        for number, time in enumerate(times):
            writer.write(numbered_frame(number), time, last)


def delays(path: Path) -> list[float]:
    """Return the delays in milliseconds, as Pillow reads them."""
    found = []
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()  # checks the checksums
            assert number_of(np.array(image.convert("RGB"))) == number
            found.append(image.info["duration"])
    return found


def test_every_delay_is_exact(tmp_path: Path) -> None:
    times = [7, 1500, 2700, 5000, 9001, 12000]
    write(tmp_path / "a.apng", times, Fraction(1, 90000), 4321)
    ends = [*times[1:], times[-1] + 4321]
    expected = [(end - time) / 90 for time, end in zip(times, ends, strict=True)]
    assert delays(tmp_path / "a.apng") == pytest.approx(expected, rel=1e-7)  # fractions of 16 bits


def test_the_rate_of_television_is_exact(tmp_path: Path) -> None:
    write(tmp_path / "a.apng", list(range(20)), Fraction(1001, 30000), 1)
    assert delays(tmp_path / "a.apng") == pytest.approx([1001 / 30] * 20, rel=1e-12)


def test_no_delay_is_so_short_that_players_replace_it(tmp_path: Path) -> None:
    write(tmp_path / "a.apng", list(range(6)), Fraction(1, 240), 1)
    assert min(delays(tmp_path / "a.apng")[:-1]) > 10


@pytest.mark.parametrize(
    "seconds",
    [Fraction(1, 3), Fraction(1001, 30000), Fraction(90001, 90000), Fraction(1, 65535), 7200],
)
def test_the_last_delay_is_the_nearest_fraction(tmp_path: Path, seconds: Fraction) -> None:
    write(tmp_path / "a.apng", [0, 1], Fraction(1, 25), 0)
    set_last_delay(tmp_path / "a.apng", Fraction(seconds))
    assert delays(tmp_path / "a.apng") == pytest.approx([40, float(1000 * seconds)], rel=1e-4)


def test_a_delay_that_is_too_long_is_the_longest(tmp_path: Path) -> None:
    write(tmp_path / "a.apng", [0, 1], Fraction(1, 25), 0)
    set_last_delay(tmp_path / "a.apng", Fraction(100_000))
    assert delays(tmp_path / "a.apng")[-1] == 65_535_000


def test_a_single_frame_is_a_picture(tmp_path: Path) -> None:
    write(tmp_path / "a.apng", [0], Fraction(1, 25), 5)
    with VideoReader(tmp_path / "a.apng") as reader:
        [frame] = reader
    np.testing.assert_array_equal(frame.image, numbered_frame(0))
