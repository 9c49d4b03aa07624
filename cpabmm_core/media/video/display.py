"""Conversion of decoded frames to the RGB images that a player would show."""

from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame as AvFrame
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.side_data import read_side_data

# Since version 17 PyAV starts as many threads as there are cores for the conversion of each frame.
# One thread is faster, and threads of this kind do not survive the fork of a data worker.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


def frame_to_rgb(frame: AvFrame, width: int, height: int) -> Frame:
    """Convert a decoded frame to (H, W, 3) uint8 RGB, upright and composited onto white.

    Args:
        frame: the frame.
        width: width to resize the *stored* frame to; the display matrix is applied afterwards.
        height: height to resize the stored frame to.
    """
    with library_calls():
        has_alpha = frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
        form = "rgba" if has_alpha else "rgb24"
        image: NDArray[Any] = frame.to_ndarray(
            format=form, width=width, height=height, **_ONE_THREAD
        )
    if has_alpha:
        image = _composite_on_white(image)
    return _apply_display_matrix(image, frame)


def _composite_on_white(
    image: NDArray[np.uint8],  # (H, W, 4)
) -> Frame:
    alpha = image[..., 3:].astype(np.uint16)
    colour = image[..., :3].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _apply_display_matrix(
    image: Frame,  # (H, W, 3)
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
