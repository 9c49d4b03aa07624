"""The kernels of the CPU engine that an animation calls, called on a tiny case."""

import torch

from cpabmm_core.cpab.fitting import fit
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.cpab.transformation import transform

_STEP = 0.01


def rehearse() -> None:
    """Fit two small transformations and apply them."""
    space = VelocitySpace(Tessellation(1, 1))
    points = torch.tensor([[0.2, 0.3], [0.7, 0.4], [0.5, 0.8]]).expand(2, 3, 2).contiguous()
    with torch.no_grad():
        theta = fit(space, points, points + _STEP, iterations=1).theta
        transform(space, theta, points)
