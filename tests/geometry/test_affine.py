import math

import torch

from cpabmm_core.geometry.affine import apply_affine


def test_quarter_turn_and_shift() -> None:
    turn = torch.tensor([[0.0, -1.0, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    points = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    expected = torch.tensor([[[0.5, 1.0], [-0.5, 0.0]]])
    torch.testing.assert_close(apply_affine(turn[None], points), expected)


def test_each_batch_element_has_its_own_matrix_on_points_of_any_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.eye(3).repeat(2, 1, 1)
    matrices[:, :2] += torch.randn(2, 2, 3, generator=generator)
    points = torch.randn(2, 4, 5, 2, generator=generator)
    homogeneous = torch.cat((points, torch.ones(2, 4, 5, 1)), dim=-1)
    expected = torch.einsum("bij,bhwj->bhwi", matrices, homogeneous)[..., :2]
    torch.testing.assert_close(apply_affine(matrices, points), expected)


def test_mixed_precision_does_not_round() -> None:
    matrix = torch.eye(3)[None]
    points = torch.tensor([[[math.pi / 4, -math.e / 4]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(apply_affine(matrix, points), points)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((2, 3, 3), (2, 4, 2))
    ]
    assert torch.autograd.gradcheck(apply_affine, inputs)
