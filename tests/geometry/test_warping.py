import pytest
import torch

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import from_pixels, identity_grid, to_pixels
from cpabmm_core.geometry.warping import resize_flow, warp


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def test_identity_keeps_the_image(image: torch.Tensor) -> None:
    flow = identity_grid(6, 8).expand(2, -1, -1, -1)
    torch.testing.assert_close(warp(image, flow), image, rtol=0, atol=1e-6)


def test_flow_points_backward_and_leaves_zeros_outside(image: torch.Tensor) -> None:
    to_the_right = to_pixels(identity_grid(6, 8), 6, 8) + torch.tensor([2.0, 0.0])
    moved = warp(image, from_pixels(to_the_right, 6, 8).expand(2, -1, -1, -1))
    torch.testing.assert_close(moved[..., :6], image[..., 2:], rtol=0, atol=1e-5)
    torch.testing.assert_close(moved[..., 6:], torch.zeros(2, 3, 6, 2), rtol=0, atol=1e-5)


def test_border_padding_repeats_the_last_pixel(image: torch.Tensor) -> None:
    far_right = torch.tensor([5.0, -1.0]).expand(2, 1, 1, 2)
    edge = image[:, :, :1, -1:]
    torch.testing.assert_close(warp(image, far_right, padding="border"), edge)


def test_sampling_a_ramp_returns_the_flow() -> None:
    ramp = identity_grid(7, 5).permute(2, 0, 1)[None]
    flow = torch.rand(3, 4, 9, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    sampled = warp(ramp, flow).permute(0, 2, 3, 1)
    torch.testing.assert_close(sampled, flow, rtol=0, atol=1e-6)


def test_flow_keeps_its_precision_on_a_half_precision_image(image: torch.Tensor) -> None:
    half = image.bfloat16()
    flow = identity_grid(6, 8).expand(2, -1, -1, -1)
    assert torch.equal(warp(half, flow), half)


def test_resized_affine_flow_is_the_affine_flow_of_the_other_size() -> None:
    matrix = torch.tensor([[[0.9, 0.2, 0.1], [-0.1, 1.1, 0.0], [0.0, 0.0, 1.0]]])
    small, large = (apply_affine(matrix, identity_grid(*size)[None]) for size in ((4, 5), (9, 16)))
    torch.testing.assert_close(resize_flow(small, (9, 16)), large, rtol=0, atol=1e-6)
    assert resize_flow(small, (4, 5)) is small


def test_gradients(image: torch.Tensor) -> None:
    # Away from pixel centres, where bilinear sampling has no derivative.
    flow = from_pixels(torch.tensor([[[[1.3, 2.6], [4.2, 0.7]]]] * 2).double(), 6, 8)
    inputs = (image[:, :1].double().requires_grad_(), flow.requires_grad_())
    assert torch.autograd.gradcheck(warp, inputs)
    assert torch.autograd.gradcheck(lambda f: resize_flow(f, (3, 5)), (flow,))
