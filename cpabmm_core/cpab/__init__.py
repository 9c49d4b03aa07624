"""Continuous piecewise-affine based (CPAB) transformations of the plane (Freifeld et al., 2017).

Points live in the unit square [0, 1]^2, x to the right and y downward. A velocity field that is
affine in each triangle of a tessellation and continuous everywhere is integrated for one unit of
time; the result is a diffeomorphism whose inverse is the flow of the opposite field.
"""

from cpabmm_core.cpab.compose import compose
from cpabmm_core.cpab.fit import FitResult, fit
from cpabmm_core.cpab.sample import sample
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.cpab.transform import transform
from cpabmm_core.cpab.warp_batch import warp_batch

__all__ = [
    "FitResult",
    "Tessellation",
    "VelocitySpace",
    "compose",
    "fit",
    "sample",
    "transform",
    "warp_batch",
]
