from itertools import permutations

import numpy as np
import pytest
import scipy.linalg

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.frechet import GaussianSums, frechet_distance


def sums_of(*parts: Array) -> GaussianSums:
    sums = GaussianSums.empty(parts[0].shape[1])
    for part in parts:
        sums.update(part)
    return sums


def with_moments(mean: Array, covariance: Array) -> GaussianSums:
    """Sums of features with exactly this mean and covariance: pairs symmetric about the mean."""
    size = len(mean)
    steps = np.linalg.cholesky(covariance).T * np.sqrt((2 * size - 1) / 2)
    return sums_of(np.concatenate([mean + steps, mean - steps]))


def by_definition(real: Array, generated: Array) -> float:
    """The distance as the field computes it: in two passes, with the root of a matrix product."""
    one, other = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = scipy.linalg.sqrtm(one @ other)
    step = real.mean(0) - generated.mean(0)
    return float(step @ step + np.trace(one + other - 2 * root.real))


def test_diagonal_gaussians() -> None:
    one, other = np.array([1.0, 4.0, 9.0]), np.array([4.0, 0.25, 9.0])
    mean, moved = np.array([0.0, 1.0, -2.0]), np.array([3.0, 1.0, -1.0])
    sums = with_moments(mean, np.diag(one)), with_moments(moved, np.diag(other))
    distance = frechet_distance(*sums)
    assert distance == pytest.approx(9 + 0 + 1 + ((np.sqrt(one) - np.sqrt(other)) ** 2).sum())


def test_gaussians_whose_covariances_do_not_commute() -> None:
    """For 2 x 2 the trace of the root has a closed form: sqrt(tr M + 2 sqrt(det M)), M = S T."""
    one, other = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.6], [-0.6, 3.0]])
    product = one @ other
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = np.trace(one + other) - 2 * root
    zero = np.zeros(2)
    distance = frechet_distance(with_moments(zero, one), with_moments(zero, other))
    assert distance == pytest.approx(expected)


def test_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12))
    real, generated = rng.normal(size=(90, 12)) @ mix + 3, rng.normal(size=(70, 12)) * 2
    distance = frechet_distance(sums_of(real), sums_of(generated))
    assert distance == pytest.approx(by_definition(real, generated), rel=1e-9)


def test_agrees_with_torch_fidelity() -> None:
    library = pytest.importorskip("torch_fidelity.metric_fid")
    rng = np.random.default_rng(6)
    sets = [rng.normal(size=(80, 20)) * scale + scale for scale in (1.0, 1.5)]
    moments = [{"mu": one.mean(0), "sigma": np.cov(one, rowvar=False)} for one in sets]
    (theirs,) = library.fid_statistics_to_metric(*moments, verbose=False).values()
    assert frechet_distance(*(sums_of(one) for one in sets)) == pytest.approx(theirs, rel=1e-9)


def test_moments_are_accurate_far_from_zero() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 4)) * [1, 2, 3, 4] + 1e6
    sums = sums_of(*np.array_split(features, 7))
    assert sums.count == 500
    np.testing.assert_allclose(sums.mean, features.mean(0), rtol=1e-14)
    np.testing.assert_allclose(
        sums.covariance, np.cov(features, rowvar=False), rtol=1e-8, atol=1e-8
    )


def test_the_order_of_merging_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=(count, 5)) + count for count in (1, 2, 30, 400)]
    generated = sums_of(rng.normal(size=(50, 5)))
    whole = frechet_distance(sums_of(np.concatenate(parts)), generated)
    for order in permutations(parts):
        merged = GaussianSums.empty(5)
        for part in order:
            merged.merge(sums_of(part))
        assert frechet_distance(merged, generated) == pytest.approx(whole, rel=1e-9)


def test_fewer_features_than_dimensions() -> None:
    """Embedding 3-dimensional features isometrically in 60 dimensions keeps their distance."""
    rng = np.random.default_rng(3)
    plane = np.linalg.qr(rng.normal(size=(60, 3)))[0].T
    real, generated = rng.normal(size=(20, 3)) * [1, 5, 9], rng.normal(size=(25, 3)) + 1
    distance = frechet_distance(sums_of(real @ plane + 7), sums_of(generated @ plane + 7))
    assert distance == pytest.approx(by_definition(real, generated), rel=1e-9)


def test_orthogonal_subspaces() -> None:
    """The product of the covariances, and with it the last trace, vanishes."""
    rng = np.random.default_rng(4)
    real, generated = np.zeros((10, 40)), np.zeros((10, 40))
    real[:, :4], generated[:, 4:7] = rng.normal(size=(10, 4)), rng.normal(size=(10, 3))
    spread = real.var(0, ddof=1).sum() + generated.var(0, ddof=1).sum()
    expected = spread + ((real.mean(0) - generated.mean(0)) ** 2).sum()
    assert frechet_distance(sums_of(real), sums_of(generated)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [2, 30, 300])
def test_equal_sets_have_distance_zero(count: int) -> None:
    features = np.random.default_rng(5).normal(size=(count, 100)) * 10
    distance = frechet_distance(sums_of(features), sums_of(features[::-1]))
    assert 0 <= distance < 1e-8


def test_constant_features() -> None:
    constant = np.ones((3, 4))
    assert frechet_distance(sums_of(constant), sums_of(constant + 2)) == pytest.approx(16)


def test_wrong_features_are_rejected() -> None:
    sums = GaussianSums.empty(3)
    sums.update(np.empty((0, 3)))
    assert sums.count == 0
    sums.update(np.ones((1, 3)))
    with pytest.raises(DataError, match="needs two or more, got 1"):
        frechet_distance(sums, sums)
    with pytest.raises(ShapeError, match=r"expected \(N, 3\), got \(2, 4\)"):
        sums.update(np.ones((2, 4)))
    with pytest.raises(DataError, match="contain NaN or infinity"):
        sums.update(np.full((1, 3), np.nan))
    with pytest.raises(ShapeError, match="real ones have dimension 3, generated ones 4"):
        frechet_distance(sums, GaussianSums.empty(4))
