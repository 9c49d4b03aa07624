"""The paper's fit, written directly over libcpab (installed by the extra ``bench``)."""

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
    """Fit by Adam on the norm of all residuals in [-1, 1].

    The learning rate is 1e-2; theta starts at 1e-6.
    """
    theta: Tensor = engine.identity(len(driving), epsilon=1e-6).requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=1e-2)
    for _ in range(iterations):
        optimizer.zero_grad()
        residual = transform_points(engine, theta, driving) - source
        torch.linalg.vector_norm(2 * residual).backward()
        optimizer.step()
    return theta.detach()


def transform_points(
    engine: libcpab.Cpab,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, P, 2)
    """Transform the points with libcpab."""
    moved: Tensor = engine.transform_grid(points.transpose(1, 2).contiguous(), theta)
    return moved.transpose(1, 2)


def axes_of(engine: libcpab.Cpab, space: VelocitySpace) -> Tensor:  # (dim, dim) float64
    """Return the basis of the installed libcpab in our coordinates (`cpab.axes` stores one)."""
    basis = torch.as_tensor(engine.get_basis(), dtype=torch.float64)
    return space.basis.flatten(1) @ basis
