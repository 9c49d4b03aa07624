"""How far a flow pulls neighbouring positions apart."""

import torch
import torch.nn.functional as F
from torch import Tensor


def flow_stretch(
    flow: Tensor,  # (B, h, w, 2) in [-1, 1]
    *,
    align_corners: bool = True,
) -> Tensor:  # (B, 1, h, w)
    """Return the largest stretch between each position of a flow and its four neighbours.

    The stretch is the distance between the places to which a flow sends two neighbouring positions,
    relative to the distance of the positions: 1 for a flow at rest, below 1 where it enlarges the
    source, and large where two parts of the frame move differently.

    Convention: (x, y) in [-1, 1]; -1 and 1 are the centres of the outer positions with
    `align_corners`, and the edges of the frame without.

    Args:
        flow: a flow of at least 2 x 2 positions.
        align_corners: the convention.

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> flow_stretch(3 * identity_grid(4, 4)[None]).unique()
        tensor([3.])
    """
    _, height, width, _ = flow.shape
    outer = 1 if align_corners else 0
    across = flow.diff(dim=2).norm(dim=-1) * ((width - outer) / 2)  # (B, h, w - 1)
    down = flow.diff(dim=1).norm(dim=-1) * ((height - outer) / 2)  # (B, h - 1, w)
    neighbours = [
        F.pad(across, (0, 1)),
        F.pad(across, (1, 0)),
        F.pad(down, (0, 0, 0, 1)),
        F.pad(down, (0, 0, 1, 0)),
    ]
    return torch.stack(neighbours, dim=1).amax(dim=1, keepdim=True)
