import math

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


def keypoints(seed: int, batch: int = 2) -> Tensor:  # (batch, 5, 6)
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(batch, 5, 2, generator=generator, dtype=torch.float64) * 2 - 1
    matrices = torch.randn(batch, 5, 2, 2, generator=generator, dtype=torch.float64)
    return with_jacobians(points, matrices)


def covariances(seed: int, count: int = 200) -> Tensor:  # (count, 2, 2)
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(count, 2, 2, generator=generator, dtype=torch.float64)
    return matrices @ matrices.transpose(-1, -2) + 0.01 * torch.eye(2, dtype=torch.float64)


def test_positions_and_jacobians_round_trip() -> None:
    points = keypoints(0)
    assert torch.equal(with_jacobians(positions(points), jacobians(points)), points)
    assert have_jacobians(points)
    assert not have_jacobians(positions(points))
    one = torch.tensor([0.1, 0.2, 1.0, 2.0, 3.0, 4.0])
    assert jacobians(one).tolist() == [
        [1, 2],
        [3, 4],
    ]  # row by row, as FOMM and MRAA store it


def test_inverse_equals_lapack() -> None:
    matrices = jacobians(keypoints(1))
    torch.testing.assert_close(inverse(matrices), torch.linalg.inv(matrices))
    assert not inverse(torch.ones(2, 2)).isfinite().any()


def test_jacobians_between_keypoints_compose() -> None:
    start, end = keypoints(2), keypoints(3)
    torch.testing.assert_close(jacobian_between(start, end) @ jacobians(start), jacobians(end))
    identity = torch.eye(2, dtype=torch.float64).expand(2, 5, 2, 2)
    torch.testing.assert_close(jacobian_between(start, start), identity)


def test_principal_axes_equal_lapack_up_to_sign() -> None:
    """Another build of LAPACK may choose the opposite sign."""
    found = principal_axes(covariances(4))
    axes, lengths, _ = torch.linalg.svd(covariances(4))
    lapack = axes * lengths.sqrt()[:, None]
    identity = torch.eye(2, dtype=torch.float64).expand(200, 2, 2)
    torch.testing.assert_close(found @ found.transpose(-1, -2), covariances(4))
    torch.testing.assert_close(canonical_sign(found @ torch.linalg.inv(lapack)), identity)


def test_signs_follow_lapacks_published_algorithm() -> None:
    """Compare with LAPACK's algorithm (dgebrd, dlasv2).

    A reflection maps the first column to the first axis and leaves a triangular matrix. A rotation
    gives its singular vectors: by an acute angle, plus a right angle if the second diagonal entry
    is the larger one.
    """
    for covariance, found in zip(covariances(4), principal_axes(covariances(4)), strict=True):
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
def test_principal_axes_of_a_rotated_ellipse(degrees: float, sign: int) -> None:
    """Signs equal MKL (torch) and OpenBLAS (NumPy), except at exactly 0 degrees."""
    turn = math.radians(degrees)
    axis = torch.tensor([math.cos(turn), math.sin(turn)], dtype=torch.float64)
    across = torch.tensor([-axis[1], axis[0]], dtype=torch.float64)
    covariance = 9 * torch.outer(axis, axis) + 4 * torch.outer(across, across)
    expected = torch.stack((sign * 3 * axis, -sign * 2 * across), dim=1)
    torch.testing.assert_close(principal_axes(covariance), expected)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_principal_axes_of_an_upright_ellipse(zero: float) -> None:
    found = principal_axes(torch.tensor([[4.0, zero], [zero, 9.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 2.0], [3.0, 0.0]]), rtol=0, atol=1e-6)


def test_round_and_flat_distributions_are_finite_with_their_gradients() -> None:
    shapes = torch.tensor([[[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0] * 2] * 2])
    found = principal_axes(shapes.requires_grad_())
    found.sum().backward()
    assert found.isfinite().all()
    assert shapes.grad is not None
    assert shapes.grad.isfinite().all()
    torch.testing.assert_close(found[0], torch.tensor([[-1.0, 0.0], [0.0, 1.0]]) * math.sqrt(2))


def test_the_smallest_heatmap_has_an_invertible_matrix() -> None:
    """One bright pixel has no variance, or a slightly negative one from rounding."""
    found = principal_axes(torch.tensor([[-1e-9, 1e-12], [1e-12, 0.0]]))
    assert inverse(found).isfinite().all()
    torch.testing.assert_close(found @ found.T, 1e-6 * torch.eye(2), rtol=1e-4, atol=0)


def test_nearly_round_distributions_have_bounded_gradients() -> None:
    for excess in (1e-4, 1e-8, 1e-12, 1e-20):
        shape = torch.tensor([[0.1 + excess, excess], [excess, 0.1]], requires_grad=True)
        principal_axes(shape).sum().backward()
        assert shape.grad is not None
        assert shape.grad.abs().max() < 2000  # unbounded, it would be 1e19 for 1e-20


def test_a_matrix_and_its_negative_have_one_canonical_sign() -> None:
    matrices = jacobian_between(keypoints(5), keypoints(6))
    assert torch.equal(canonical_sign(matrices), canonical_sign(-matrices))
    assert (canonical_sign(matrices)[..., 0, 0] >= 0).all()


def test_axes_are_aligned_with_others() -> None:
    one, other = keypoints(7), keypoints(8)
    faced = align_axes(one, other)
    assert torch.equal(positions(faced), positions(one))
    assert torch.equal(jacobians(faced).abs(), jacobians(one).abs())
    turned = with_jacobians(positions(one), -jacobians(one))
    assert torch.equal(align_axes(turned, other), faced)
    torch.testing.assert_close(
        jacobian_between(other, faced), canonical_sign(jacobian_between(other, one))
    )


def test_a_stretched_image_stretches_its_jacobians() -> None:
    """Points near a keypoint move with the stretched image."""
    points, scale = keypoints(9), torch.tensor([1.2, 0.8], dtype=torch.float64)
    inner = torch.tensor([0.3, -0.4], dtype=torch.float64)
    before = positions(points) + jacobians(points) @ inner
    moved = stretch(points, scale)
    torch.testing.assert_close(positions(moved) + jacobians(moved) @ inner, before * scale)
    assert torch.equal(stretch(positions(points), scale), positions(moved))


def test_gradients() -> None:
    start, end = keypoints(10, 1).requires_grad_(), keypoints(11, 1).requires_grad_()
    assert torch.autograd.gradcheck(jacobian_between, (start, end))
    shapes = covariances(12, 4).requires_grad_()

    def symmetric(shapes: Tensor) -> Tensor:
        return principal_axes((shapes + shapes.transpose(-1, -2)) / 2)

    assert torch.autograd.gradcheck(symmetric, (shapes,))
