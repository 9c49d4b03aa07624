"""Thin-plate splines: fitted on point pairs, or drawn at random.

    T(p) = A [x, y, 1]^T + sum_i w_i U(p - c_i),    U = r^2 log r^2,    r the Euclidean distance

The random splines of FOMM and MRAA bend by another function, U = d^2 log d, of the Manhattan
distance d = |x| + |y| (FOMM's code, modules/model.py, Transform).

Convention: points are (x, y) in normalised coordinates, but nothing here depends on the range.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid

_REGULARISATION = 0.01

Metric = Literal["euclidean", "manhattan"]
"""The distance from the control points, and with it the bending function; see above."""


@dataclass(frozen=True)
class ThinPlateSpline:
    """A batch of thin-plate splines; calling it maps points."""

    control_points: Tensor  # (B, C, 2)
    weights: Tensor  # (B, C, 2)
    affine: Tensor  # (B, 3, 2), rows for x, y and 1
    metric: Metric = "euclidean"

    def __call__(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2)
        """Map the points of each batch element by its spline; differentiable in everything."""
        with autocast_off(points.device):
            bent = _bend(_offsets(points, self.control_points), self.metric) @ self.weights
            return points @ self.affine[:, :2] + self.affine[:, 2:] + bent

    def jacobian(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2, 2), rows for the components of the spline
        """The spline's derivative at the points of each batch element."""
        slope = _slope(_offsets(points, self.control_points), self.metric)
        with autocast_off(points.device):
            bent = self.weights.transpose(1, 2)[:, None] @ slope
        return self.affine[:, None, :2].transpose(2, 3) + bent

    def __getitem__(self, part: slice) -> "ThinPlateSpline":
        """The splines of a part of the batch."""
        return ThinPlateSpline(
            self.control_points[part], self.weights[part], self.affine[part], self.metric
        )

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
            torch.cat((_bend(_offsets(source, source), "euclidean"), affine_columns), dim=2),
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
    metric: Metric = "euclidean",
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> ThinPlateSpline:
    """Random splines close to the identity, for the equivariance loss.

    Each control point has one random weight, for x and y alike, as in the code of FOMM, MRAA and
    TPSMM: so all bend along the diagonal. The numbers are drawn where the generator lives (the CPU
    without one) and then moved, so a seed means the same on every device.
    """
    where = generator.device if generator is not None else torch.device("cpu")
    control = identity_grid(points_per_side, points_per_side, device=where).view(1, -1, 2)
    noise = torch.randn(batch, 3, 2, generator=generator, device=where)
    affine = torch.eye(3, 2, device=where) + sigma_affine * noise
    weights = sigma_tps * torch.randn(batch, control.shape[1], 1, generator=generator, device=where)
    return ThinPlateSpline(
        control.expand(batch, -1, -1).to(device),
        weights.expand(-1, -1, 2).to(device),
        affine.to(device),
        metric,
    )


def _offsets(
    points: Tensor,  # (B, P, 2)
    control_points: Tensor,  # (B, C, 2)
) -> Tensor:  # (B, P, C, 2)
    return points[:, :, None] - control_points[:, None]


def _bend(
    offsets: Tensor,  # (B, P, C, 2)
    metric: Metric,
) -> Tensor:  # (B, P, C)
    if metric == "manhattan":
        distance = offsets.abs().sum(-1)
        return distance.square() * _log(distance)
    squared = offsets.square().sum(-1)
    return squared * _log(squared)


def _slope(
    offsets: Tensor,  # (B, P, C, 2)
    metric: Metric,
) -> Tensor:  # (B, P, C, 2)
    """The derivative of `_bend`."""
    if metric == "manhattan":
        distance = offsets.abs().sum(-1, keepdim=True)
        return offsets.sign() * distance * (1 + 2 * _log(distance))
    squared = offsets.square().sum(-1, keepdim=True)
    return 2 * offsets * (1 + _log(squared))


def _log(values: Tensor) -> Tensor:
    """The logarithm; with the smallest number added, finite where points coincide."""
    return (values + torch.finfo(values.dtype).tiny).log()
