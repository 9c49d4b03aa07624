"""Whether the camera and the light stay as they are from one frame to the next."""

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.raw.frames import to_small_grey
from cpabmm_core.data.preprocess.raw.rules import CAMERA_MOVES, LIGHT_CHANGES

# The rules of TaiChiHD: optical flow at 256 pixels, grey levels of 256.
_SIDE, _MOST_FLOW = 256, 1.0
_JERK = 4.0
"""Flow that counts at once. Less must last: recompressed videos jump by a pixel at key frames."""
_MOST_CHANGE = 1.5
# A quarter of the pixels tell the median of the flow as well, to a few hundredths of a pixel.
_LOOKED_AT = 128


class CameraMonitor:
    """Compares each frame with the one before it.

    The median over all pixels counts, so that the subject may move as it likes as long as it covers
    less than half of the frame. Of the grey levels it is the median of the changes. The camera
    moves if the flow is over 1 pixel between two pairs of frames in a row, or over 4 in one.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._flow = 0.0

    def find_change(
        self,
        image: NDArray[np.uint8],  # (H, W, 3)
        *,
        begins_scene: bool,
    ) -> str | None:
        """What has changed since the frame before, if anything; nothing where a scene begins."""
        from skimage.registration import optical_flow_ilk

        grey = to_small_grey(image, _LOOKED_AT).astype(np.float32)
        last, self._last = self._last, grey
        flow_before, self._flow = self._flow, 0.0
        if last is None or begins_scene or np.array_equal(last, grey):
            return None
        change = float(np.median(grey - last))
        flow = optical_flow_ilk(last / 255, (grey - change) / 255, num_warp=3)
        self._flow = float(np.median(np.hypot(*flow))) * _SIDE / max(grey.shape)
        if self._flow > _MOST_FLOW:  # what is where another thing was, says nothing of the light
            moves = self._flow > _JERK or flow_before > _MOST_FLOW
            return CAMERA_MOVES if moves else None
        return LIGHT_CHANGES if abs(change) > _MOST_CHANGE else None
