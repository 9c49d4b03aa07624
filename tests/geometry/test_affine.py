import math

import torch

from cpabmm_core.geometry.affine import apply_affine


def test_quarter_turn_and_shift(device: torch.device, dtype: torch.dtype) -> None:
    turn = torch.tensor([[0.0, -1.0, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    points = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    expected = torch.tensor([[[0.5, 1.0], [-0.5, 0.0]]])
    mapped = apply_affine(turn[None].to(device, dtype), points.to(device, dtype))
    assert torch.equal(mapped, expected.to(device, dtype))


def test_each_batch_element_has_its_own_matrix_on_points_of_any_rank(
    device: torch.device, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    matrices[:, :2] += torch.randn(2, 2, 3, generator=generator)
    points = torch.randn(2, 4, 5, 2, generator=generator, dtype=torch.float64)
    homogeneous = torch.cat((points, torch.ones(2, 4, 5, 1)), dim=-1)
    expected = torch.einsum("bij,bhwj->bhwi", matrices, homogeneous)[..., :2]
    mapped = apply_affine(matrices.to(device, dtype), points.to(device, dtype))
    torch.testing.assert_close(mapped, expected.to(device, dtype))


def test_mixed_precision_does_not_round(device: torch.device) -> None:
    matrix = torch.eye(3, device=device)[None]
    points = torch.tensor([[[math.pi / 4, -math.e / 4]]], device=device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        assert torch.equal(apply_affine(matrix, points), points)


def test_gradients(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(device).requires_grad_()
        for shape in ((2, 3, 3), (2, 4, 2))
    ]
    assert torch.autograd.gradcheck(apply_affine, inputs)
