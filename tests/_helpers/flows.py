"""Velocity fields whose flow is known in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace


@dataclass(frozen=True)
class AffineField:
    """The field v(x) = A [x, 1], the same in every cell."""

    name: str
    matrix: Tensor  # (2, 3) float64

    def theta(self, space: VelocitySpace) -> Tensor:  # (1, dim)
        """Return the coordinates of the field in a space with a free boundary."""
        cells = space.tessellation.cells
        return space.coordinates(self.matrix.expand(1, cells, 2, 3))

    def flow(self, points: Tensor) -> Tensor:  # (..., 2) -> (..., 2)
        """Return where the field carries the points in one unit of time."""
        generator = torch.zeros(3, 3, dtype=torch.float64)
        generator[:2] = self.matrix
        motion = torch.linalg.matrix_exp(generator)
        moved: Tensor = points @ motion[:2, :2].T + motion[:2, 2]
        return moved


def _matrix(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


AFFINE_FIELDS = [
    AffineField("translation", _matrix((0, 0, 0.3), (0, 0, -0.2))),
    AffineField("rotation", _matrix((0, -1.5, 0.75), (1.5, 0, -0.75))),
    AffineField("source", _matrix((0.8, 0, -0.4), (0, 0.8, -0.4))),
    AffineField("saddle", _matrix((1.1, 0, -0.55), (0, -1.1, 0.55))),
    AffineField("shear", _matrix((0, 0.9, -0.45), (0, 0, 0))),
    AffineField("fast spiral", _matrix((-0.5, -9, 4.75), (9, -0.5, -4.25))),
    AffineField("near-equal eigenvalues", _matrix((0.4, 1e-9, -0.2), (0, 0.4 + 1e-9, -0.2))),
]
