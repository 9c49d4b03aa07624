"""Whether the camera and the light stay as they are from one frame to the next."""

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.frames import small_grey
from cpabmm_core.data.preprocess.rules import CAMERA_MOVES, LIGHT_CHANGES

# The rules of TaiChiHD: optical flow at 256 pixels, grey levels of 256.
_SIDE, _MOST_FLOW = 256, 1.0
_MOST_CHANGE = 1.5
# A quarter of the pixels tell the median of the flow as well, to a few hundredths of a pixel.
_LOOKED_AT = 128


class CameraWatch:
    """Compares each frame with the one before it.

    The median over all pixels counts, so that the subject may move as it likes as long as it covers
    less than half of the frame. Of the grey levels it is the median of the changes.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def trouble(
        self,
        image: NDArray[np.uint8],  # (H, W, 3)
        *,
        begins_scene: bool,
    ) -> str | None:
        """What has changed since the frame before, if anything; nothing where a scene begins."""
        from skimage.registration import optical_flow_ilk

        grey = small_grey(image, _LOOKED_AT).astype(np.float32)
        last, self._last = self._last, grey
        if last is None or begins_scene or np.array_equal(last, grey):
            return None
        if abs(float(np.median(grey - last))) > _MOST_CHANGE:
            return LIGHT_CHANGES
        flow = optical_flow_ilk(last / 255, grey / 255, num_warp=3)
        length = float(np.median(np.hypot(*flow))) * _SIDE / max(grey.shape)
        return CAMERA_MOVES if length > _MOST_FLOW else None
