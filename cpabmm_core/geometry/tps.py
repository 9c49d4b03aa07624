"""Thin-plate splines: fitted on point pairs, or drawn at random.

    T(p) = A [x, y, 1]^T + sum_i w_i U(|p - c_i|),    U(r) = r^2 log r^2

Convention: points are (x, y) in normalised coordinates, but nothing here depends on the range.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.precision import autocast_off

_REGULARISATION = 0.01


@dataclass(frozen=True)
class ThinPlateSpline:
    """A batch of thin-plate splines; calling it maps points."""

    control_points: Tensor  # (B, C, 2)
    weights: Tensor  # (B, C, 2)
    affine: Tensor  # (B, 3, 2), rows for x, y and 1

    def __call__(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2)
        """Map the points of each batch element by its spline; differentiable in everything."""
        with autocast_off(points.device):
            bent = _kernel(points, self.control_points) @ self.weights
            return points @ self.affine[:, :2] + self.affine[:, 2:] + bent

    def jacobian(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2, 2), rows for the components of the spline
        """The spline's derivative at the points of each batch element."""
        offsets = points[:, :, None] - self.control_points[:, None]  # (B, P, C, 2)
        squared = offsets.square().sum(-1, keepdim=True)
        slope = 2 * offsets * (1 + (squared + torch.finfo(squared.dtype).tiny).log())
        with autocast_off(points.device):
            bent = self.weights.transpose(1, 2)[:, None] @ slope
        return self.affine[:, None, :2].transpose(2, 3) + bent

    def __getitem__(self, part: slice) -> "ThinPlateSpline":
        """The splines of a part of the batch."""
        return ThinPlateSpline(self.control_points[part], self.weights[part], self.affine[part])

    def flow(
        self,
        height: int,
        width: int,
    ) -> Tensor:  # (B, height, width, 2)
        """The spline at every pixel of an image of that size."""
        grid = identity_grid(
            height, width, device=self.affine.device, dtype=self.affine.dtype
        ).view(1, -1, 2)
        batch = self.affine.shape[0]
        return self(grid.expand(batch, -1, -1)).view(batch, height, width, 2)


def fit_tps(
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
    regularisation: float = _REGULARISATION,
) -> ThinPlateSpline:
    """Splines that take `source` near `target`, differentiable in both.

    As in TPSMM (Zhao and Zhang, CVPR 2022, eq. 3) the regularisation is added to the whole diagonal
    of the system, its affine part included, so the splines pass near the targets, not through them.
    """
    count = source.shape[1]
    affine_columns = torch.cat((source, torch.ones_like(source[..., :1])), dim=-1)
    corner = source.new_zeros(source.shape[0], 3, 3)
    system = torch.cat(
        (
            torch.cat((_kernel(source, source), affine_columns), dim=2),
            torch.cat((affine_columns.transpose(1, 2), corner), dim=2),
        ),
        dim=1,
    )
    system = system + regularisation * torch.eye(
        count + 3, device=source.device, dtype=source.dtype
    )
    values = torch.cat((target, target.new_zeros(target.shape[0], 3, 2)), dim=1)
    with autocast_off(source.device):
        # solve_ex does not wait for the device to report singular systems.
        solution = torch.linalg.solve_ex(system, values)[0]
    return ThinPlateSpline(source, solution[:, :count], solution[:, count:])


def random_tps(
    batch: int,
    *,
    sigma_affine: float = 0.05,
    sigma_tps: float = 0.005,
    points_per_side: int = 5,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> ThinPlateSpline:
    """Random splines close to the identity, for the equivariance loss.

    The numbers are drawn where the generator lives (the CPU without one) and then moved, so a seed
    means the same on every device.
    """
    where = generator.device if generator is not None else torch.device("cpu")
    control = identity_grid(points_per_side, points_per_side, device=where).view(1, -1, 2)
    noise = torch.randn(batch, 3, 2, generator=generator, device=where)
    affine = torch.eye(3, 2, device=where) + sigma_affine * noise
    weights = sigma_tps * torch.randn(batch, control.shape[1], 2, generator=generator, device=where)
    return ThinPlateSpline(
        control.expand(batch, -1, -1).to(device), weights.to(device), affine.to(device)
    )


def _kernel(
    points: Tensor,  # (B, P, 2)
    control_points: Tensor,  # (B, C, 2)
) -> Tensor:  # (B, P, C)
    squared = (points[:, :, None] - control_points[:, None]).square().sum(-1)
    # The smallest number keeps the logarithm and its gradient finite where points coincide.
    return squared * (squared + torch.finfo(squared.dtype).tiny).log()
