"""What a solver is given, and what it finds."""

from dataclasses import dataclass

from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace


@dataclass(frozen=True)
class Problem:
    """B sets of P pairs of points, in float64."""

    space: VelocitySpace
    source: Tensor
    """(B, P, 2) in the unit square; finite also where the weight is 0."""
    target: Tensor
    """(B, P, 2) where the source points should go."""
    weights: Tensor
    """(B, P) at least 0."""
    start: Tensor
    """(B, dim) theta to start from."""
    huber: float | None
    """Length of a residual from which on it counts linearly; None: all count by their squares."""
    noise: float | None
    """Weight of the smoothness prior; None: the solver's own."""
    together: int | None
    """How many sets in a row share adam's norm; None: all."""


@dataclass(frozen=True)
class Solution:
    """What a solver found."""

    theta: Tensor
    """(B, dim)"""
    end: Tensor
    """(B, P, 2) transformed source."""
    iterations: Tensor
    """(B,) int64"""
    converged: Tensor
    """(B,) bool"""
