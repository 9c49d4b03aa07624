"""Detection of camera motion and changes of light between consecutive frames."""

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.raw.frames import to_small_grey
from cpabmm_core.data.preprocess.raw.rules import CAMERA_MOVES, LIGHT_CHANGES

# The thresholds are those of TaiChiHD: flow in pixels at a size of 256, light in 256 grey levels.
_FLOW_SIZE, _MAX_FLOW = 256, 1.0
_MAX_SINGLE_FLOW = 4.0
"""Flow that counts at once. Smaller flow must persist, because recompressed videos jump by a pixel
at keyframes."""
_MAX_LIGHT_CHANGE = 1.5
# At half the size, the median of the flow differs by only a few hundredths of a pixel.
_ANALYSIS_SIZE = 128


class CameraMonitor:
    """Detects camera motion and changes of light by comparing each frame with the previous one.

    Both criteria use the median over all pixels, which ignores a moving subject that covers less
    than half of the frame. The camera moves if the optical flow exceeds 1 pixel for two
    consecutive pairs of frames, or 4 pixels for one. The light changes if the grey levels change
    by more than 1.5.
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
        """Return what has changed since the previous frame; None at the start of a scene."""
        from skimage.registration import optical_flow_ilk

        grey = to_small_grey(image, _ANALYSIS_SIZE).astype(np.float32)
        last, self._last = self._last, grey
        flow_before, self._flow = self._flow, 0.0
        if last is None or begins_scene or np.array_equal(last, grey):
            return None
        change = float(np.median(grey - last))
        flow = optical_flow_ilk(last / 255, (grey - change) / 255, num_warp=3)
        self._flow = float(np.median(np.hypot(*flow))) * _FLOW_SIZE / max(grey.shape)
        if self._flow > _MAX_FLOW:  # the light cannot be compared if the image moves
            moves = self._flow > _MAX_SINGLE_FLOW or flow_before > _MAX_FLOW
            return CAMERA_MOVES if moves else None
        return LIGHT_CHANGES if abs(change) > _MAX_LIGHT_CHANGE else None
