"""Conversion of decoded frames to the RGB images that a player would show."""

from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame as AvFrame
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame
from cpabmm_core.media.channels import with_channels
from cpabmm_core.media.video.high_range import HDR_TRANSFERS, is_wide_gamut, to_standard_range
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.side_data import read_side_data

# Since version 17 PyAV starts as many threads as there are cores for the conversion of each frame.
# One thread is faster, threads of this kind do not survive the fork of a data worker, and now and
# then they leave rows of a frame of ten bits empty.
ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
_WITH_ALPHA, _DEEP = "rgba", "rgb48le"
_UNSPECIFIED = 2
"""FFmpeg's number of an unstated matrix."""


# The rule of players for videos that do not state their matrix: above the sizes of standard
# definition it is that of high definition. FFmpeg's own conversion always assumes BT.601.
_STANDARD_WIDTH, _STANDARD_HEIGHT = 1279, 576


def frame_to_rgb(
    frame: AvFrame, width: int, height: int, *, smooth: bool = False, alpha: bool = False
) -> Frame:
    """Convert a decoded frame to (H, W, 3) uint8 RGB, upright and composited onto white.

    The matrix and the range are those that the frame states. High dynamic range (PQ, HLG) is
    compressed to the standard one. The fields of an interlaced frame are not separated.

    Args:
        frame: the frame.
        width: width to resize the *stored* frame to; the display matrix is applied afterwards.
        height: height to resize the stored frame to.
        smooth: whether to resize with a bicubic filter in place of a bilinear one.
        alpha: whether to return (H, W, 4), not composited and not premultiplied, for a frame of a
            format with transparency.
    """
    with library_calls():
        options: dict[str, Any] = {"width": width, "height": height, **ONE_THREAD}
        if smooth:
            options["interpolation"] = Interpolation.BICUBIC
        if _lacks_matrix(frame):
            options["src_colorspace"] = Colorspace.ITU709
        form = _target_format(frame)
        image: NDArray[Any] = _whole_rows(frame).to_ndarray(format=form, **options)
    if form == _WITH_ALPHA and not alpha:
        image = with_channels(image, 3)
    elif form == _DEEP:
        image = to_standard_range(image, frame.color_trc, wide=is_wide_gamut(frame))
    return _apply_display_matrix(image, frame)


def _whole_rows(frame: AvFrame) -> AvFrame:
    """Return a frame that FFmpeg converts to RGBA up to the last column.

    Up to version 8.1 it leaves out up to four columns of VP8 and VP9 with transparency, if the
    width is 1 to 4 more than a multiple of 16.
    """
    return frame.reformat(format="yuva444p") if frame.format.name == "yuva420p" else frame


def _target_format(frame: AvFrame) -> str:
    if frame.format.has_palette or any(c.is_alpha for c in frame.format.components):
        return _WITH_ALPHA
    return _DEEP if frame.color_trc in HDR_TRANSFERS else "rgb24"


def _lacks_matrix(frame: AvFrame) -> bool:
    """Return whether a frame of high definition leaves open how its colours are coded."""
    return (
        frame.colorspace == _UNSPECIFIED
        and (frame.width > _STANDARD_WIDTH or frame.height > _STANDARD_HEIGHT)
        and not frame.format.is_rgb
        and not frame.format.has_palette
    )


def _apply_display_matrix(
    image: Frame,  # (H, W, 3|4)
    frame: AvFrame,
) -> Frame:
    """Apply the right-angle part of the display matrix.

    The matrix maps the stored pixel (p, q) to the displayed pixel (a p + c q, b p + d q), plus a
    shift.
    """
    with library_calls():
        matrix = read_side_data(frame, "DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, dtype=np.int32)[:5])
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
