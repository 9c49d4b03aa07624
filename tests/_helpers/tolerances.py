"""Tolerances of CPAB transformations, by the precision in which a device computes them."""

from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.cpab.engines import working_dtype


class Tolerance(NamedTuple):
    """Upper bounds of an error."""

    float64: float
    """Points in float64."""
    rounded: float
    """Points in float32, computed in float64 and rounded, as on a CPU."""
    float32: float
    """Points in float32, computed in float32, as on a GPU."""

    def of(self, points: Tensor) -> float:
        """Return the bound for results of this dtype on this device."""
        if points.dtype == torch.float64:
            return self.float64
        return self.rounded if working_dtype(points) == torch.float64 else self.float32
