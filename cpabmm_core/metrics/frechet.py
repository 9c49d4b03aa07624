"""Fréchet distance between two sets of features, each modelled as a Gaussian."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError, ShapeError


@dataclass
class GaussianSums:
    """Running count, mean and scatter matrix of features that arrive in chunks.

    The scatter matrix is the sum of outer products of deviations from the mean. Unlike the sum of
    squares, it does not suffer from cancellation.

    Example:
        >>> import numpy as np
        >>> sums = GaussianSums.empty(2)
        >>> sums.update(np.array([[0.0, 0.0], [2.0, 0.0]]))
        >>> sums.mean.tolist(), sums.covariance.tolist()
        ([1.0, 0.0], [[2.0, 0.0], [0.0, 0.0]])
    """

    count: int
    """Number of features."""
    mean: Array
    """(D,) mean."""
    scatter: Array
    """(D, D) scatter matrix."""

    @classmethod
    def empty(cls, size: int) -> "GaussianSums":
        """Return the sums of zero features of dimension `size`."""
        return cls(0, np.zeros(size), np.zeros((size, size)))

    def update(
        self,
        features: NDArray[np.floating],  # (N, D)
    ) -> None:
        """Add features.

        Args:
            features: N features; N may be 0.

        Raises:
            ShapeError: the shape is not (N, D).
            DataError: a value is not finite.
        """
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != self.size:
            raise ShapeError(f"features: expected (N, {self.size}), got {values.shape}")
        if not np.isfinite(values).all():
            raise DataError("features: contain NaN or infinity; check the weights of the network")
        if len(values):
            mean = values.mean(0)
            centred = values - mean
            self.merge(GaussianSums(len(values), mean, centred.T @ centred))

    def merge(self, other: "GaussianSums") -> None:
        """Add the sums of other features (Chan, Golub and LeVeque 1983)."""
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
        """The dimension of a feature."""
        return len(self.mean)

    @property
    def covariance(self) -> Array:  # (D, D)
        """The unbiased covariance matrix.

        Raises:
            DataError: fewer than two features were added.
        """
        if self.count < 2:
            raise DataError(f"features: a covariance needs two or more, got {self.count}")
        return self.scatter / (self.count - 1)


@dataclass
class PairedSums:
    """The sums of real and of generated features."""

    real: GaussianSums
    generated: GaussianSums

    @classmethod
    def empty(cls, size: int) -> "PairedSums":
        """Return the sums of zero features of dimension `size`."""
        return cls(GaussianSums.empty(size), GaussianSums.empty(size))

    def merge(self, other: "PairedSums") -> None:
        """Add the sums of other features."""
        self.real.merge(other.real)
        self.generated.merge(other.generated)


def frechet_distance(real: GaussianSums, generated: GaussianSums) -> float:
    """Compute the squared Fréchet distance of two Gaussians (Dowson and Landau 1982).

    FID and FVD are this distance: ``|m - n|^2 + tr(S) + tr(T) - 2 tr((S T)^(1/2))`` with means m, n
    and covariances S, T. For any factors S = A A^T and T = B B^T, the last trace is the sum of the
    singular values of A^T B. This form avoids the root of a non-symmetric matrix and holds for
    singular S and T.

    Args:
        real: sums of the real features.
        generated: sums of the generated features.

    Returns:
        The distance, 0 or more.

    Raises:
        ShapeError: the features differ in dimension.
        DataError: one set has fewer than two features.

    Example:
        >>> import numpy as np
        >>> one, other = GaussianSums.empty(1), GaussianSums.empty(1)
        >>> one.update(np.array([[-1.0], [0.0], [1.0]]))
        >>> other.update(np.array([[1.0], [3.0], [5.0]]))
        >>> round(frechet_distance(one, other), 12)
        10.0
    """
    if real.size != generated.size:
        raise ShapeError(
            f"features: real ones have dimension {real.size}, generated ones {generated.size}"
        )
    covariances = real.covariance, generated.covariance
    one, other = (_factor(covariance) for covariance in covariances)
    cross = np.linalg.svd(one.T @ other, compute_uv=False).sum()
    step = real.mean - generated.mean
    spread = sum(float(np.trace(covariance)) for covariance in covariances)
    # For equal sets, rounding leaves about 1e-15 times the spread, of either sign.
    return max(float(step @ step) + spread - 2 * float(cross), 0.0)


def _factor(
    covariance: Array,  # (D, D)
) -> Array:  # (D, rank)
    """Return A with A A^T = covariance, without the directions that hold only rounding errors."""
    values, vectors = np.linalg.eigh(covariance)
    keep = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))
