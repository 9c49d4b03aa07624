"""Thin-plate splines, fitted to point pairs or sampled at random.

    T(p) = A [x, y, 1]^T + sum_i w_i U(p - c_i),    U = r^2 log r^2,    r the Euclidean distance

The random splines of FOMM and MRAA use another kernel, U = d^2 log d, of the Manhattan distance
d = |x| + |y| (FOMM's code, modules/model.py, Transform).

Convention: points are (x, y) in normalised coordinates, but nothing here depends on their range.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid

REGULARISATION = 0.01

Metric = Literal["euclidean", "manhattan"]
"""The distance from the control points, which also selects the kernel."""


@dataclass(frozen=True)
class ThinPlateSpline:
    """A batch of thin-plate splines; call it to map points.

    Example:
        >>> import torch
        >>> corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
        >>> spline = fit_tps(corners, corners, regularisation=0.0)
        >>> spline(torch.tensor([[[0.5, 0.25]]])).round(decimals=4).tolist()
        [[[0.5, 0.25]]]
    """

    control_points: Tensor
    """(B, C, 2): the centres c_i."""
    weights: Tensor
    """(B, C, 2): the weights w_i."""
    affine: Tensor
    """(B, 3, 2): the affine part, rows for x, y and 1."""
    metric: Metric = "euclidean"
    """The distance from the control points."""

    def __call__(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2)
        """Map the points of each batch element by its spline.

        Differentiable in the points and in the parameters of the splines.
        """
        with autocast_off(points.device):
            bent = _bend(_offsets(points, self.control_points), self.metric) @ self.weights
            return points @ self.affine[:, :2] + self.affine[:, 2:] + bent

    def jacobian(
        self,
        points: Tensor,  # (B, P, 2)
    ) -> Tensor:  # (B, P, 2, 2), rows for the components of the spline
        """Return the derivative of each batch element's spline at its points."""
        slope = _slope(_offsets(points, self.control_points), self.metric)
        with autocast_off(points.device):
            bent = self.weights.transpose(1, 2)[:, None] @ slope
        return self.affine[:, None, :2].transpose(2, 3) + bent

    def __getitem__(self, part: slice) -> "ThinPlateSpline":
        """Return the splines of a part of the batch."""
        return ThinPlateSpline(
            self.control_points[part], self.weights[part], self.affine[part], self.metric
        )

    def flow(
        self,
        height: int,
        width: int,
    ) -> Tensor:  # (B, height, width, 2)
        """Evaluate the splines at every pixel of an image of that size."""
        grid = identity_grid(
            height, width, device=self.affine.device, dtype=self.affine.dtype
        ).view(1, -1, 2)
        batch = self.affine.shape[0]
        return self(grid.expand(batch, -1, -1)).view(batch, height, width, 2)


def fit_tps(
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
    regularisation: float = REGULARISATION,
) -> ThinPlateSpline:
    """Fit splines that map `source` close to `target`, differentiable in both.

    As in TPSMM (Zhao and Zhang, CVPR 2022, eq. 3) the regularisation is added to the whole diagonal
    of the system, including its affine part: the splines pass near the targets, not through them.

    Args:
        source: control points, the same number for each batch element.
        target: where each control point should go.
        regularisation: smaller values follow the targets more closely.

    Returns:
        One spline per batch element.

    Example:
        >>> source = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.0, 0.5]]])
        >>> spline = fit_tps(source, source + 0.1, regularisation=1e-6)
        >>> torch.allclose(spline(source), source + 0.1, atol=1e-4)
        True
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
        # solve_ex does not synchronise with the device to report singular systems.
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
    """Sample random splines close to the identity, for the equivariance loss.

    As in the code of FOMM, MRAA and TPSMM, each control point has a single random weight for x and
    y, so that all splines bend along the diagonal. The numbers are sampled on the generator's
    device (the CPU without one) and then moved, so a seed gives the same splines on every device.

    Args:
        batch: number of splines.
        sigma_affine: standard deviation of the affine part around the identity.
        sigma_tps: standard deviation of the weights.
        points_per_side: control points along each side of a regular grid over [-1, 1]^2.
        metric: distance from the control points.
        generator: source of the random numbers; None uses torch's global one.
        device: device of the result.

    Returns:
        The splines.

    Example:
        >>> spline = random_tps(2, generator=torch.Generator().manual_seed(0))
        >>> spline.flow(8, 6).shape
        torch.Size([2, 8, 6, 2])
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
    """Return the derivative of `_bend`."""
    if metric == "manhattan":
        distance = offsets.abs().sum(-1, keepdim=True)
        return offsets.sign() * distance * (1 + 2 * _log(distance))
    squared = offsets.square().sum(-1, keepdim=True)
    return 2 * offsets * (1 + _log(squared))


def _log(values: Tensor) -> Tensor:
    """Return the logarithm of values >= 0; a tiny offset keeps it finite at 0."""
    return (values + torch.finfo(values.dtype).tiny).log()
