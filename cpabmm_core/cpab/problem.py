"""The input and the output of a solver."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from cpabmm_core.cpab.prior import LENGTH_SCALE
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.progress import Progress

_NUMBERS_AT_ONCE = 1 << 21
"""Numbers in the derivatives of a part, 16 MB; more if a set has few pairs."""


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
    """(B, P) weights, at least 0; their sum is the number of pairs that they amount to."""
    start: Tensor
    """(B, dim) theta to start from."""
    huber: float | None
    """Residual length beyond which a pair counts linearly; None counts every pair quadratically."""
    noise: float | None
    """Weight of the smoothness prior; None takes the solver's default."""
    together: int | None
    """Number of consecutive sets that share Adam's norm; None shares it among all."""
    length_scale: float = LENGTH_SCALE
    """Length scale of the smoothness prior, in sides of the square."""
    progress: Progress | None = None
    """Called after each iteration."""

    def report(self, done: int, total: int | None) -> None:
        """Report the number of finished iterations."""
        if self.progress is not None:
            self.progress(done, total)

    def parts(self) -> Iterator["Problem"]:
        """Divide the pairs of every set into parts whose derivatives by theta fit in memory.

        A part has at least `dim` pairs, so that its derivatives shrink when they are condensed.
        """
        dim, sets = self.space.dim, len(self.source)
        length = max(_NUMBERS_AT_ONCE // max(2 * dim * sets, 1), dim, 1)
        arrays = (self.source, self.target, self.weights)
        split = (array.split(length, dim=1) for array in arrays)
        for source, target, weights in zip(*split, strict=True):
            yield replace(self, source=source, target=target, weights=weights)


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
