"""The frames and boxes that rows select, compared with values computed by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.selection import scale_box, select_frames
from cpabmm_core.data.preprocess.published.table import TableRow

ROW = TableRow(2, "A", "A#1", "train", 80, 300, Fraction("29.97"), Box(118, 82, 508, 472), 640, 480)


@pytest.mark.parametrize(
    ("start", "end", "fps", "rate", "frames"),
    [
        # Computed by hand: the first frame is the smallest i with i >= start * rate / fps.
        (80, 300, "29.97", "29.97", (80, 300)),
        (80, 300, "29.97", "25", (67, 251)),  # 66.73 and 250.25
        (80, 300, "29.97", "30", (81, 301)),  # 80.08 and 300.3
        (551, 808, "25.0", "25", (551, 808)),
        (551, 808, "25.0", "30", (662, 970)),  # 661.2 and 969.6
        (3657, 3994, "25", "50", (7314, 7988)),
        (3657, 3994, "25", "30000/1001", (4385, 4789)),  # 4384.016 and 4788.012
        (16609, 16737, "25", "24000/1001", (15929, 16052)),  # 15928.7 and 16051.5
        (0, 1, "25", "12.5", (0, 1)),
        (
            1,
            2,
            "25",
            "12.5",
            (1, 1),
        ),  # empty: frame 0 is shown before the range and frame 1 after it
    ],
)
def test_frames_agree_with_values_computed_by_hand(
    start: int, end: int, fps: str, rate: str, frames: tuple[int, int]
) -> None:
    row = replace(ROW, start=start, end=end, rate=Fraction(fps))
    assert select_frames(row, Fraction(rate)) == range(*frames)


@pytest.mark.parametrize("rate", ["25", "30", "23.976", "50", "60000/1001", "17.3"])
def test_frames_satisfy_the_defining_inequality(rate: str) -> None:
    fps, own = Fraction("29.97"), Fraction(rate)
    wanted = [i for i in range(1000) if 80 * own <= i * fps < 300 * own]
    assert list(select_frames(ROW, own)) == wanted


def test_rates_that_agree_in_two_decimals_are_equal() -> None:
    """A table writes 30000/1001 as 29.97; taken literally, the clip would begin at frame 81."""
    assert select_frames(ROW, Fraction(30000, 1001)) == range(80, 300)
    film = replace(ROW, rate=Fraction("23.98"))
    assert select_frames(film, Fraction(24000, 1001)) == range(80, 300)


def test_a_box_is_unchanged_at_its_own_size() -> None:
    assert scale_box(ROW, 640, 480) == (118, 82, 508, 472)


def test_a_box_is_scaled_and_rounded_down() -> None:
    assert scale_box(ROW, 320, 240) == (59, 41, 254, 236)
    assert scale_box(ROW, 426, 240) == (78, 41, 338, 236)  # 78.54 and 338.14 across
    assert scale_box(ROW, 1280, 720) == (236, 123, 1016, 708)


def test_scaling_is_exact_where_floats_are_not() -> None:
    assert int(99 / (352 / 320)) == 89  # slightly less than 90 in floating point
    row = replace(ROW, box=Box(99, 99, 352, 352), width=352, height=352)
    assert scale_box(row, 320, 320) == (90, 90, 320, 320)


def test_a_box_is_clipped_to_the_frame() -> None:
    wide = replace(ROW, box=Box(600, 400, 700, 500))
    assert scale_box(wide, 640, 480) == (600, 400, 640, 480)
    outside = replace(ROW, box=Box(650, 400, 700, 500))
    assert scale_box(outside, 640, 480) == (640, 400, 640, 480)
