"""Which frames of a video, and which part of them, a row of a published table asks for."""

from fractions import Fraction
from math import ceil

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.table import TableRow


def select_frames(row: TableRow, rate: Fraction) -> range:
    """The numbers of the frames that belong to a row.

    Frame i does when ``start * F <= i * fps < end * F``, computed without rounding. Tables write
    rates in two digits, 29.97 for 30000/1001: a file whose rate, so written, is the row's counts as
    having that rate. Otherwise the clips of most videos would begin one frame late.

    Args:
        row: the row, with ``start``, ``end`` and ``fps``.
        rate: F, the frames a second of the video at hand.
    """
    ratio = Fraction(1) if round(rate, 2) == round(row.rate, 2) else rate / row.rate
    return range(ceil(row.start * ratio), ceil(row.end * ratio))


def scale_box(row: TableRow, width: int, height: int) -> Box:
    """A row's box in a video of another size, rounded towards zero and cut at the frame's border.

    It comes out empty if it lies outside, or is thinner than a pixel of a small video.
    """
    left, right = (int(x) * width // row.width for x in (row.box.left, row.box.right))
    top, bottom = (int(y) * height // row.height for y in (row.box.top, row.box.bottom))
    return Box(min(left, width), min(top, height), min(right, width), min(bottom, height))
