import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.local_affine import (
    align_axes,
    canonical_sign,
    have_jacobians,
    inverse,
    jacobian_between,
    jacobians,
    positions,
    principal_axes,
    stretch,
    with_jacobians,
)

Sample = Callable[[int], Tensor]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-13}
"""Relative to the largest value. Measured on a CPU: 1.2e-5 and 2.4e-14."""


def sample_keypoints(seed: int, batch: int = 2) -> Tensor:  # (batch, 5, 6) float64
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(batch, 5, 2, generator=generator, dtype=torch.float64) * 2 - 1
    matrices = torch.randn(batch, 5, 2, 2, generator=generator, dtype=torch.float64)
    return with_jacobians(points, matrices)


def sample_covariances(seed: int, count: int = 200) -> Tensor:  # (count, 2, 2) float64
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(count, 2, 2, generator=generator, dtype=torch.float64)
    return matrices @ matrices.transpose(-1, -2) + 0.01 * torch.eye(2, dtype=torch.float64)


@pytest.fixture
def keypoints(device: torch.device, dtype: torch.dtype) -> Sample:
    """Sample keypoints, the same on every device."""
    return lambda seed: sample_keypoints(seed).to(device, dtype)


@pytest.fixture
def covariances(device: torch.device, dtype: torch.dtype) -> Sample:
    """Sample covariances, the same on every device."""
    return lambda seed: sample_covariances(seed).to(device, dtype)


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest expected value."""
    scale = expected.abs().max().item()
    atol = TOLERANCE[actual.dtype] * scale
    torch.testing.assert_close(actual, expected.to(actual), rtol=0, atol=atol)


def test_positions_and_jacobians_round_trip(keypoints: Sample) -> None:
    points = keypoints(0)
    assert torch.equal(with_jacobians(positions(points), jacobians(points)), points)
    assert have_jacobians(points)
    assert not have_jacobians(positions(points))


def test_jacobians_are_stored_row_by_row() -> None:
    """FOMM and MRAA use this order."""
    one = torch.tensor([0.1, 0.2, 1.0, 2.0, 3.0, 4.0])
    assert jacobians(one).tolist() == [[1, 2], [3, 4]]


def test_inverse_equals_lapack(keypoints: Sample, device: torch.device) -> None:
    expected = torch.linalg.inv(jacobians(sample_keypoints(1)))
    assert_near(inverse(jacobians(keypoints(1))), expected)
    assert not inverse(torch.ones(2, 2, device=device)).isfinite().any()


def test_jacobians_between_keypoints_compose(keypoints: Sample) -> None:
    start, end = keypoints(2), keypoints(3)
    assert_near(jacobian_between(start, end) @ jacobians(start), jacobians(end))
    identity = torch.eye(2).expand(2, 5, 2, 2)
    assert_near(jacobian_between(start, start), identity)


def test_principal_axes_equal_lapack_up_to_sign(covariances: Sample) -> None:
    """Builds of LAPACK differ in the signs of singular vectors."""
    found = principal_axes(covariances(4))
    axes, lengths, _ = torch.linalg.svd(sample_covariances(4))
    to_lapack = torch.linalg.inv(axes * lengths.sqrt()[:, None]).to(found)
    assert_near(found @ found.transpose(-1, -2), sample_covariances(4))
    assert_near(canonical_sign(to_lapack @ found), torch.eye(2).expand(200, 2, 2))


def test_signs_follow_lapacks_published_algorithm() -> None:
    """Compare with LAPACK's algorithm (dgebrd, dlasv2).

    A reflection maps the first column to the first axis and leaves a triangular matrix. A rotation
    then gives the singular vectors: by an acute angle, plus a right angle if the second diagonal
    entry is the larger one.
    """
    covariances = sample_covariances(4)
    for covariance, found in zip(covariances, principal_axes(covariances), strict=True):
        a, b = covariance[:, 0].tolist()
        reflection = torch.tensor([[-a, -b], [-b, a]], dtype=torch.float64) / math.hypot(a, b)
        triangle = reflection @ covariance
        assert abs(triangle[1, 0]) < 1e-12
        column = int(triangle[1, 1].abs() > triangle[0, 0].abs())
        assert reflection[:, column] @ found[:, 0] > 0
        assert torch.linalg.det(found) < 0


@pytest.mark.parametrize(
    ("degrees", "sign"), [(0, -1), (30, -1), (60, 1), (89, 1), (-30, -1), (-60, -1), (-89, -1)]
)
def test_principal_axes_of_a_rotated_ellipse(
    degrees: float, sign: int, device: torch.device, dtype: torch.dtype
) -> None:
    """Signs equal MKL (torch) and OpenBLAS (NumPy), except at exactly 0 degrees."""
    turn = math.radians(degrees)
    axis = torch.tensor([math.cos(turn), math.sin(turn)], dtype=torch.float64)
    across = torch.tensor([-axis[1], axis[0]], dtype=torch.float64)
    covariance = 9 * torch.outer(axis, axis) + 4 * torch.outer(across, across)
    expected = torch.stack((sign * 3 * axis, -sign * 2 * across), dim=1)
    assert_near(principal_axes(covariance.to(device, dtype)), expected)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_principal_axes_of_an_upright_ellipse(
    zero: float, device: torch.device, dtype: torch.dtype
) -> None:
    upright = torch.tensor([[4.0, zero], [zero, 9.0]], device=device, dtype=dtype)
    assert_near(principal_axes(upright), torch.tensor([[0.0, 2.0], [3.0, 0.0]]))


def test_round_and_flat_distributions_are_finite_with_their_gradients(
    device: torch.device, dtype: torch.dtype
) -> None:
    shapes = torch.tensor([[[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0] * 2] * 2])
    shapes = shapes.to(device, dtype).requires_grad_()
    found = principal_axes(shapes)
    found.sum().backward()
    assert found.isfinite().all()
    assert shapes.grad is not None
    assert shapes.grad.isfinite().all()
    assert_near(found[0], torch.tensor([[-1.0, 0.0], [0.0, 1.0]]).double() * math.sqrt(2))


def test_the_smallest_heatmap_has_an_invertible_matrix(
    device: torch.device, dtype: torch.dtype
) -> None:
    """One bright pixel has no variance, or a slightly negative one from rounding."""
    tiny = torch.tensor([[-1e-9, 1e-12], [1e-12, 0.0]], device=device, dtype=dtype)
    found = principal_axes(tiny)
    assert inverse(found).isfinite().all()
    assert_near(found @ found.T, 1e-6 * torch.eye(2, dtype=torch.float64))


def test_nearly_round_distributions_have_bounded_gradients(
    device: torch.device, dtype: torch.dtype
) -> None:
    for excess in (1e-4, 1e-8, 1e-12, 1e-20):
        shape = torch.tensor([[0.1 + excess, excess], [excess, 0.1]], device=device, dtype=dtype)
        shape.requires_grad_()
        principal_axes(shape).sum().backward()
        assert shape.grad is not None
        assert shape.grad.abs().max() < 2000  # unbounded, it would be 1e19 for 1e-20


def test_a_matrix_and_its_negative_have_one_canonical_sign(keypoints: Sample) -> None:
    matrices = jacobian_between(keypoints(5), keypoints(6))
    assert torch.equal(canonical_sign(matrices), canonical_sign(-matrices))
    assert (canonical_sign(matrices)[..., 0, 0] >= 0).all()


def test_axes_are_aligned_with_others(keypoints: Sample) -> None:
    one, other = keypoints(7), keypoints(8)
    aligned = align_axes(one, other)
    assert torch.equal(positions(aligned), positions(one))
    assert torch.equal(jacobians(aligned).abs(), jacobians(one).abs())
    negated = with_jacobians(positions(one), -jacobians(one))
    assert torch.equal(align_axes(negated, other), aligned)
    expected = canonical_sign(jacobian_between(other, one))
    assert torch.equal(jacobian_between(other, aligned), expected)


def test_a_stretched_image_stretches_its_jacobians(keypoints: Sample) -> None:
    """Points near a keypoint move with the stretched image."""
    points = keypoints(9)
    scale, inner = points.new_tensor([1.2, 0.8]), points.new_tensor([0.3, -0.4])
    before = positions(points) + jacobians(points) @ inner
    moved = stretch(points, scale)
    assert_near(positions(moved) + jacobians(moved) @ inner, before * scale)
    assert torch.equal(stretch(positions(points), scale), positions(moved))


def test_gradients(device: torch.device) -> None:
    start, end = (sample_keypoints(seed, 1).to(device).requires_grad_() for seed in (10, 11))
    assert torch.autograd.gradcheck(jacobian_between, (start, end))
    shapes = sample_covariances(12, 4).to(device).requires_grad_()

    def symmetric(shapes: Tensor) -> Tensor:
        return principal_axes((shapes + shapes.transpose(-1, -2)) / 2)

    assert torch.autograd.gradcheck(symmetric, (shapes,))
