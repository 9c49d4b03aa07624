import torch

from cpabmm_core.geometry.coordinates import (
    from_pixels,
    from_unit_square,
    identity_grid,
    to_pixels,
    to_unit_square,
)

CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]])


def test_corners_of_the_unit_square() -> None:
    expected = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    assert torch.equal(to_unit_square(CORNERS), expected)
    assert torch.equal(from_unit_square(expected), CORNERS)


def test_one_is_the_centre_of_the_last_pixel() -> None:
    expected = torch.tensor([[0.0, 0.0], [8.0, 0.0], [4.0, 4.0]])
    assert torch.equal(to_pixels(CORNERS, height=5, width=9), expected)
    assert torch.equal(from_pixels(expected, height=5, width=9), CORNERS)


def test_grid_holds_x_before_y() -> None:
    grid = identity_grid(5, 9, dtype=torch.float64)
    assert grid.shape == (5, 9, 2)
    assert grid.dtype == torch.float64
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(9.0), indexing="ij")
    expected = torch.stack((columns, rows), dim=-1).double()
    torch.testing.assert_close(to_pixels(grid, height=5, width=9), expected)
