"""The fit of the paper's code, written plainly over libcpab, which the extra ``bench`` installs."""

import libcpab
import torch
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace


def paper_adam(
    engine: libcpab.Cpab,
    driving: Tensor,  # (B, P, 2) in the unit square, float32
    source: Tensor,  # (B, P, 2)
    iterations: int,
) -> Tensor:  # (B, dim) in libcpab's basis
    """Adam, 1e-2, from 1e-6, on the norm of all residuals in [-1, 1], not squared."""
    theta: Tensor = engine.identity(len(driving), epsilon=1e-6).requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=1e-2)
    for _ in range(iterations):
        optimizer.zero_grad()
        residual = carried(engine, theta, driving) - source
        torch.linalg.vector_norm(2 * residual).backward()
        optimizer.step()
    return theta.detach()


def carried(
    engine: libcpab.Cpab,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, P, 2)
    """Where libcpab takes the points."""
    moved: Tensor = engine.transform_grid(points.transpose(1, 2).contiguous(), theta)
    return moved.transpose(1, 2)


def axes_of(engine: libcpab.Cpab, space: VelocitySpace) -> Tensor:  # (dim, dim) float64
    """The installed libcpab's basis in the coordinates of ours, as `cpab.axes` has one stored."""
    basis = torch.as_tensor(engine.get_basis(), dtype=torch.float64)
    return space.basis.flatten(1) @ basis
