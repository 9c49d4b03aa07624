import math
from itertools import product

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from cpabmm_core.geometry import local_affine
from cpabmm_core.inference.motion_scale import matrix_power, scale_motion

EXPONENTS = (0.0, 0.25, 0.5, 1.0, 1.7, 3.0)


def rotation(angle: float) -> Tensor:
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)


def random_matrices(count: int, *, mirrored: bool = False) -> Tensor:
    """Return matrices with a positive determinant, or with a negative one."""
    generator = torch.Generator().manual_seed(0)
    some = torch.randn(20 * count, 2, 2, generator=generator, dtype=torch.float64)
    determinants = torch.linalg.det(some)
    return some[determinants < -0.1 if mirrored else determinants > 0.1][:count]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_power_of_a_rotation_multiplies_its_angle(exponent: float) -> None:
    for angle in (-3.0, -1.0, 0.0, 1e-6, 0.5, 3.0):
        torch.testing.assert_close(
            matrix_power(rotation(angle), exponent), rotation(angle * exponent)
        )


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_power_agrees_with_the_polar_decomposition_of_scipy(exponent: float) -> None:
    for matrix in random_matrices(50):
        turn, stretch = scipy.linalg.polar(matrix.numpy())
        angle = math.atan2(turn[1, 0], turn[0, 0])
        powered = scipy.linalg.fractional_matrix_power(stretch, exponent)
        expected = rotation(exponent * angle).numpy() @ powered
        np.testing.assert_allclose(matrix_power(matrix, exponent), expected, atol=1e-9)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_power_of_a_determinant(exponent: float) -> None:
    matrices = random_matrices(50)
    ours = torch.linalg.det(matrix_power(matrices, exponent))
    torch.testing.assert_close(ours, torch.linalg.det(matrices).pow(exponent))


def test_powers_0_and_1_are_the_identity_and_the_matrix() -> None:
    matrices = random_matrices(50)
    torch.testing.assert_close(matrix_power(matrices, 1.0), matrices)
    identity = torch.eye(2, dtype=torch.float64).expand_as(matrices)
    torch.testing.assert_close(matrix_power(matrices, 0.0), identity)


@pytest.mark.parametrize("difference", [0.0, 1e-12, 1e-7, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_power_of_a_nearly_round_stretch(difference: float, dtype: torch.dtype) -> None:
    values = torch.tensor([1.5, 1.5 * (1 - difference)], dtype=torch.float64)
    axes = rotation(0.3)
    stretch = axes @ values.diag() @ axes.T
    expected = axes @ values.pow(0.4).diag() @ axes.T
    ours = matrix_power(stretch.to(dtype), 0.4).double()
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-8 if dtype.itemsize > 4 else 3e-7)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.0], [0.0, -1.0]],
        [[1.0, 0.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[math.nan, 0.0], [0.0, 1.0]],
    ],
    ids=["mirrors", "flattens", "zero", "nan"],
)
def test_a_map_without_rotation_has_no_power(matrix: list[list[float]]) -> None:
    assert matrix_power(torch.tensor(matrix), 0.5).isnan().all()


def keypoints(matrices: Tensor, at: float = 0.0) -> Tensor:
    points = torch.full((1, len(matrices), 2), at, dtype=torch.float64)
    return local_affine.with_jacobians(points, matrices[None])


def test_scaled_movements_compose() -> None:
    """Half the movement, then the other half, is the whole, if all maps turn about one axis."""
    turns = torch.stack([rotation(angle) for angle in (0.4, 1.0, 2.5)])
    source, target = keypoints(2.0 * torch.eye(2).double().expand(3, 2, 2)), keypoints(turns, 0.5)
    half = scale_motion(source, target, 0.5)
    torch.testing.assert_close(scale_motion(half, target, 1.0), target)
    torch.testing.assert_close(scale_motion(source, half, 2.0), target)


def test_jacobians_turn_by_a_part_of_the_angle() -> None:
    start = random_matrices(5)
    source, target = keypoints(start), keypoints(rotation(1.0) @ start, 1.0)
    ours = scale_motion(source, target, 0.25)
    torch.testing.assert_close(local_affine.jacobians(ours)[0], rotation(0.25) @ start)
    assert torch.all(local_affine.positions(ours) == 0.25)


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_mirrored_and_singular_jacobians_are_interpolated_linearly(scale: float) -> None:
    start = torch.cat((random_matrices(4), torch.zeros(1, 2, 2, dtype=torch.float64)))
    mirror = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    end = torch.cat((start[:4] @ mirror, torch.eye(2, dtype=torch.float64)[None]))
    ours = scale_motion(keypoints(start), keypoints(end), scale)
    expected = start + scale * (end - start)
    torch.testing.assert_close(local_affine.jacobians(ours)[0], expected)


def test_axes_without_direction_turn_at_most_a_right_angle() -> None:
    start = random_matrices(6)
    for turn, sign in product((0.3, 1.2, -1.2), (1.0, -1.0)):
        source, target = keypoints(start), keypoints(sign * rotation(turn) @ start)
        ours = scale_motion(source, target, 0.5, undirected=True)
        torch.testing.assert_close(local_affine.jacobians(ours)[0], rotation(turn / 2) @ start)


def test_signs_of_axes_without_direction_do_not_matter_for_mirrored_maps_either() -> None:
    start, end = random_matrices(6), random_matrices(6, mirrored=True)
    one, other = (
        scale_motion(keypoints(start), keypoints(sign * end), 0.5, undirected=True)
        for sign in (1, -1)
    )
    torch.testing.assert_close(one, other)


def test_a_scale_of_1_returns_the_target_itself() -> None:
    target = keypoints(random_matrices(3, mirrored=True))
    assert scale_motion(keypoints(random_matrices(3)), target, 1.0) is target
