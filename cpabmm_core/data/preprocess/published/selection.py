"""The frames and the box that a row of a published table selects in a video."""

from fractions import Fraction
from math import ceil

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.table import TableRow


def select_frames(row: TableRow, rate: Fraction) -> range:
    """Return the numbers of the frames that belong to a row.

    Frame i belongs to the row if ``start * F <= i * fps < end * F``, computed exactly. Tables round
    rates to two decimals, so that 29.97 stands for 30000/1001. F and the rate of the row therefore
    count as equal if they agree when rounded. Otherwise the clips of most videos would begin one
    frame late.

    Args:
        row: row with ``start``, ``end`` and ``fps``.
        rate: F, the frame rate of the video.
    """
    ratio = Fraction(1) if round(rate, 2) == round(row.rate, 2) else rate / row.rate
    return range(ceil(row.start * ratio), ceil(row.end * ratio))


def scale_box(row: TableRow, width: int, height: int) -> Box:
    """Scale the box of a row to the size of a video, rounding down, and clip it to the frame.

    The result is empty if the box lies outside the frame or is thinner than a pixel.
    """
    left, right = (int(x) * width // row.width for x in (row.box.left, row.box.right))
    top, bottom = (int(y) * height // row.height for y in (row.box.top, row.box.bottom))
    return Box(min(left, width), min(top, height), min(right, width), min(bottom, height))
