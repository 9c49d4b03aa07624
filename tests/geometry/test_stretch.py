import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.stretch import flow_stretch


def rest(height: int, width: int, align_corners: bool) -> Tensor:  # (h, w, 2)
    grid = identity_grid(height, width, dtype=torch.float64)
    if align_corners:
        return grid
    return grid * grid.new_tensor([(width - 1) / width, (height - 1) / height])


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(2, 2), (8, 8), (5, 9)])
def test_a_linear_map_has_the_norm_of_its_longer_column(
    size: tuple[int, int], align_corners: bool
) -> None:
    generator = torch.Generator().manual_seed(1)
    for matrix in torch.randn(20, 2, 2, generator=generator, dtype=torch.float64):
        flow = rest(*size, align_corners) @ matrix.T + 0.3
        expected = matrix.norm(dim=0).max().item()
        found = flow_stretch(flow[None], align_corners=align_corners)
        assert found.shape == (1, 1, *size)
        torch.testing.assert_close(found, torch.full_like(found, expected))


def test_both_sides_of_a_tear_are_stretched_and_nothing_else() -> None:
    flow = rest(6, 9, align_corners=True)
    flow[:, 4:, 0] += 1.0  # four of the eight steps from one border to the other
    found = flow_stretch(flow[None])[0, 0]
    assert found[:, 3:5].allclose(found.new_tensor(1 + 4.0))
    assert found[:, :3].allclose(found.new_tensor(1.0))
    assert found[:, 5:].allclose(found.new_tensor(1.0))
