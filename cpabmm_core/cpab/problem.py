"""The input and the output of a solver."""

from dataclasses import dataclass

from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace


@dataclass(frozen=True)
class Problem:
    """B sets of P pairs of points, in float64."""

    space: VelocitySpace
    """Admissible velocity fields."""
    source: Tensor
    """(B, P, 2) points in the unit square, finite even where the weight is 0."""
    target: Tensor
    """(B, P, 2) positions that the source points should move to."""
    weights: Tensor
    """(B, P) weights, at least 0."""
    start: Tensor
    """(B, dim) theta to start from."""
    huber: float | None
    """Residual length beyond which a pair counts linearly; None counts every pair quadratically."""
    noise: float | None
    """Weight of the smoothness prior; None takes the solver's default."""
    together: int | None
    """Number of consecutive sets that share Adam's norm; None shares it among all."""


@dataclass(frozen=True)
class Solution:
    """The transformations that a solver found."""

    theta: Tensor
    """(B, dim) coordinates of the velocity fields."""
    end: Tensor
    """(B, P, 2) transformed source."""
    iterations: Tensor
    """(B,) int64 number of iterations."""
    converged: Tensor
    """(B,) bool: the solver met its criterion."""
