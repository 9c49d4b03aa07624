"""A picture of what the model does with a few pairs."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cpabmm_core.geometry.warp import resize_flow, warp
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.visualize import draw_keypoints, side_by_side

Picture = npt.NDArray[np.uint8]
_ROWS = 4


def panel(source: Tensor, driving: Tensor, outcome: Outcome, groups: int) -> Picture:
    """Rows of source, driving (both with keypoints), warped source, occlusion, generated, error."""
    size = driving.shape[2], driving.shape[3]
    warped = warp(source, resize_flow(outcome.motion.deformation, size))
    visible = outcome.motion.occlusion_maps[-1].expand(-1, 3, -1, -1)
    error = (outcome.generated - driving).abs() * 4
    rows = []
    for i in range(min(_ROWS, len(source))):
        marked = [
            draw_keypoints(_picture(image[i]), points[i].detach().cpu().numpy(), groups=groups)
            for image, points in ((source, outcome.kp_source), (driving, outcome.kp_driving))
        ]
        plain = [_picture(image[i]) for image in (warped, visible, outcome.generated, error)]
        rows.append(side_by_side([*marked, *plain], gap=2))
    return np.concatenate(rows)


def _picture(image: Tensor) -> Picture:
    pixels = image.detach().float().clamp(0, 1).mul(255).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()
