import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import from_pixels, identity_grid, to_pixels
from cpabmm_core.geometry.warping import resize_flow, warp

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Measured on a CPU: 2.4e-7 and 2.3e-16."""


@pytest.fixture
def image(device: torch.device, dtype: torch.dtype) -> Tensor:  # (2, 3, 6, 8)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 6, 8, generator=generator).to(device, dtype)


def grid_like(tensor: Tensor, height: int, width: int) -> Tensor:  # (height, width, 2)
    return identity_grid(height, width, device=tensor.device, dtype=tensor.dtype)


def assert_near(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE[expected.dtype])


def test_identity_keeps_the_image(image: Tensor) -> None:
    flow = grid_like(image, 6, 8).expand(2, -1, -1, -1)
    assert_near(warp(image, flow), image)


def test_flow_points_backward_and_leaves_zeros_outside(image: Tensor) -> None:
    to_the_right = to_pixels(grid_like(image, 6, 8), 6, 8) + image.new_tensor([2.0, 0.0])
    moved = warp(image, from_pixels(to_the_right, 6, 8).expand(2, -1, -1, -1))
    assert_near(moved[..., :6], image[..., 2:])
    assert_near(moved[..., 6:], image.new_zeros(2, 3, 6, 2))


def test_border_padding_repeats_the_last_pixel(image: Tensor) -> None:
    far_right = image.new_tensor([5.0, -1.0]).expand(2, 1, 1, 2)
    edge = image[:, :, :1, -1:]
    assert_near(warp(image, far_right, padding="border"), edge)


def test_sampling_a_ramp_returns_the_flow(device: torch.device, dtype: torch.dtype) -> None:
    ramp = identity_grid(7, 5, device=device, dtype=dtype).permute(2, 0, 1)[None]
    flow = torch.rand(3, 4, 9, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flow = flow.to(device, dtype)
    assert_near(warp(ramp, flow).permute(0, 2, 3, 1), flow)


def test_flow_keeps_its_precision_on_a_half_precision_image(image: Tensor) -> None:
    half = image.bfloat16()
    flow = grid_like(image, 6, 8).expand(2, -1, -1, -1)
    assert torch.equal(warp(half, flow), half)


def test_resized_affine_flow_is_the_affine_flow_of_the_other_size(
    device: torch.device, dtype: torch.dtype
) -> None:
    matrix = torch.tensor([[[0.9, 0.2, 0.1], [-0.1, 1.1, 0.0], [0.0, 0.0, 1.0]]])
    matrix = matrix.to(device, dtype)
    small, large = (
        apply_affine(matrix, grid_like(matrix, *size)[None]) for size in ((4, 5), (9, 16))
    )
    assert_near(resize_flow(small, (9, 16)), large)
    assert resize_flow(small, (4, 5)) is small


def test_gradients(device: torch.device) -> None:
    # Away from pixel centres, where bilinear sampling has no derivative.
    pixels = torch.tensor([[[[1.3, 2.6], [4.2, 0.7]]]] * 2, device=device, dtype=torch.float64)
    flow = from_pixels(pixels, 6, 8)
    image = torch.rand(2, 1, 6, 8, generator=torch.Generator().manual_seed(0)).to(flow)
    inputs = image.requires_grad_(), flow.requires_grad_()
    # On a GPU the gradients are sums in no fixed order.
    assert torch.autograd.gradcheck(warp, inputs, nondet_tol=1e-12)
    assert torch.autograd.gradcheck(lambda f: resize_flow(f, (3, 5)), (flow,), nondet_tol=1e-12)
