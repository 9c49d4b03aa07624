import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import (
    from_pixels,
    from_unit_square,
    identity_grid,
    to_pixels,
    to_unit_square,
)


@pytest.fixture
def corners(device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor([[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]], device=device, dtype=dtype)


def test_corners_of_the_unit_square(corners: Tensor) -> None:
    expected = corners.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    assert torch.equal(to_unit_square(corners), expected)
    assert torch.equal(from_unit_square(expected), corners)


def test_one_is_the_centre_of_the_last_pixel(corners: Tensor) -> None:
    expected = corners.new_tensor([[0.0, 0.0], [8.0, 0.0], [4.0, 4.0]])
    assert torch.equal(to_pixels(corners, height=5, width=9), expected)
    assert torch.equal(from_pixels(expected, height=5, width=9), corners)


def test_grid_holds_x_before_y(device: torch.device, dtype: torch.dtype) -> None:
    grid = identity_grid(5, 9, device=device, dtype=dtype)
    assert grid.shape == (5, 9, 2)
    assert grid.dtype == dtype
    assert grid.device.type == device.type
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(9.0), indexing="ij")
    expected = torch.stack((columns, rows), dim=-1).to(device, dtype)
    torch.testing.assert_close(to_pixels(grid, height=5, width=9), expected)
