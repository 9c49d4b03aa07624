"""Fréchet distance of two sets of features, each described by a Gaussian."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError, ShapeError


@dataclass
class GaussianSums:
    """Count, mean and scatter of features that come a few at a time.

    The scatter is the sum of outer products of the deviations from the mean. Keeping it instead of
    the sum of squares avoids the cancellation that the latter suffers from.
    """

    count: int
    mean: Array  # (D,)
    scatter: Array  # (D, D)

    @classmethod
    def empty(cls, size: int) -> "GaussianSums":
        """The sums of no features of `size` numbers."""
        return cls(0, np.zeros(size), np.zeros((size, size)))

    def update(
        self,
        features: NDArray[np.floating],  # (N, D)
    ) -> None:
        """Add features.

        Raises:
            ShapeError: they are not (N, D).
            DataError: one is not finite.
        """
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != self.size:
            raise ShapeError(f"features: expected (N, {self.size}), got {values.shape}")
        if not np.isfinite(values).all():
            raise DataError("features: some are not finite; check the weights of the network")
        if len(values):
            mean = values.mean(0)
            centred = values - mean
            self.merge(GaussianSums(len(values), mean, centred.T @ centred))

    def merge(self, other: "GaussianSums") -> None:
        """Add the sums of another part of the set (Chan, Golub and LeVeque 1983)."""
        total = self.count + other.count
        if not total:
            return
        step = other.mean - self.mean
        share = self.count * other.count / total
        self.scatter += other.scatter
        self.scatter += np.outer(share * step, step)
        self.mean += step * (other.count / total)
        self.count = total

    @property
    def size(self) -> int:
        """How many numbers a feature has."""
        return len(self.mean)

    @property
    def covariance(self) -> Array:  # (D, D)
        """Unbiased covariance.

        Raises:
            DataError: there are fewer than two features.
        """
        if self.count < 2:
            raise DataError(f"features: a covariance needs two at least, got {self.count}")
        return self.scatter / (self.count - 1)


@dataclass
class PairedSums:
    """The sums of real and generated features, as many of one as of the other."""

    real: GaussianSums
    generated: GaussianSums

    @classmethod
    def empty(cls, size: int) -> "PairedSums":
        """The sums of no features of `size` numbers."""
        return cls(GaussianSums.empty(size), GaussianSums.empty(size))

    def merge(self, other: "PairedSums") -> None:
        """Add the sums of another part of the set."""
        self.real.merge(other.real)
        self.generated.merge(other.generated)


def frechet_distance(real: GaussianSums, generated: GaussianSums) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson and Landau 1982), as FID and FVD use it.

    It is ``|m - n|^2 + tr(S) + tr(T) - 2 tr((S T)^(1/2))`` with means m, n and covariances S, T.
    For any factors S = A A^T, T = B B^T the last trace is the sum of the singular values of A^T B.
    This needs no root of the product, which is not symmetric, and holds where S and T are singular.

    Raises:
        ShapeError: the features are not of one size.
        DataError: one side has fewer than two features.

    Example:
        >>> one, other = GaussianSums.empty(1), GaussianSums.empty(1)
        >>> one.update(np.array([[-1.0], [0.0], [1.0]]))
        >>> other.update(np.array([[1.0], [3.0], [5.0]]))
        >>> round(frechet_distance(one, other), 12)
        10.0
    """
    if real.size != generated.size:
        raise ShapeError(f"features: the real ones have {real.size} numbers, not {generated.size}")
    covariances = real.covariance, generated.covariance
    one, other = (_factor(covariance) for covariance in covariances)
    cross = np.linalg.svd(one.T @ other, compute_uv=False).sum()
    step = real.mean - generated.mean
    spread = sum(float(np.trace(covariance)) for covariance in covariances)
    # Rounding leaves the distance of equal sets at about the spread times 1e-15, of either sign.
    return max(float(step @ step) + spread - 2 * float(cross), 0.0)


def _factor(
    covariance: Array,  # (D, D)
) -> Array:  # (D, rank)
    """A with A A^T = covariance; the directions in which there is rounding alone are left out."""
    values, vectors = np.linalg.eigh(covariance)
    keep = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))
