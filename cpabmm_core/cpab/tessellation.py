"""Type-II tessellation of the unit square: nx x ny squares, each cut into four by its diagonals."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.errors import ConfigError

TOP, RIGHT, BOTTOM, LEFT = range(4)

# Half-planes a*u + b*w + c > 0 in the coordinates (u, w) of a square, in [0, 1]^2.
_ABOVE_FALLING = (1.0, -1.0, 0.0)  # u > w
_BELOW_FALLING = (-1.0, 1.0, 0.0)
_ABOVE_RISING = (-1.0, -1.0, 1.0)  # u + w < 1
_BELOW_RISING = (1.0, 1.0, -1.0)
_DIAGONALS = {
    TOP: (_ABOVE_FALLING, _ABOVE_RISING),
    RIGHT: (_ABOVE_FALLING, _BELOW_RISING),
    BOTTOM: (_BELOW_FALLING, _BELOW_RISING),
    LEFT: (_BELOW_FALLING, _ABOVE_RISING),
}
_SIDES = {
    TOP: (0.0, 1.0, 0.0),
    RIGHT: (-1.0, 0.0, 1.0),
    BOTTOM: (0.0, -1.0, 1.0),
    LEFT: (1.0, 0.0, 0.0),
}
_EVERYWHERE = (0.0, 0.0, 1.0)
_CORNERS = {  # ends of a triangle's outer side, as (column, row) offsets
    TOP: ((0, 0), (1, 0)),
    RIGHT: ((1, 0), (1, 1)),
    BOTTOM: ((1, 1), (0, 1)),
    LEFT: ((0, 1), (0, 0)),
}


@dataclass(frozen=True)
class Tessellation:
    """A grid of nx x ny squares with 4 triangles each.

    Convention:
        Cells are numbered row by row, and within each square in the order top, right, bottom, left,
        with y downwards. A triangle on the border also owns the plane beyond its side: the strip
        between the rays that leave the side's ends at right angles, and beyond a corner of the unit
        square the region up to the extended diagonal. Every point of the plane thus belongs to one
        convex cell.

    Raises:
        ConfigError: nx or ny is below 1.

    Example:
        >>> Tessellation(4, 4).cells
        64
        >>> Tessellation(1, 1).vertices.tolist()
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]]
    """

    nx: int
    """Squares along x."""
    ny: int
    """Squares along y."""

    def __post_init__(self) -> None:
        if self.nx < 1 or self.ny < 1:
            raise ConfigError(f"tessellation: expected at least 1 x 1, got {self.nx} x {self.ny}")

    @property
    def cells(self) -> int:
        """Number of triangles."""
        return 4 * self.nx * self.ny

    @cached_property
    def vertices(self) -> Array:
        """Positions of the vertices, (V, 2): corners row by row, then centres row by row."""
        corners = _lattice(np.arange(self.nx + 1), np.arange(self.ny + 1))
        centres = _lattice(np.arange(self.nx) + 0.5, np.arange(self.ny) + 0.5)
        return np.concatenate([corners, centres]) / (self.nx, self.ny)

    @cached_property
    def triangles(self) -> IntArray:
        """Indices of each cell's vertices, (cells, 3): the centre, then two corners."""
        first_centre = (self.nx + 1) * (self.ny + 1)
        rows = []
        for row, column, side in self._cell_addresses():
            corners = [(row + r) * (self.nx + 1) + column + c for c, r in _CORNERS[side]]
            rows.append([first_centre + row * self.nx + column, *corners])
        return np.array(rows, dtype=np.int64)

    @cached_property
    def edges(self) -> IntArray:
        """Pairs of neighbouring vertices, (E, 2), each edge once."""
        triangle_sides = self.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        return np.unique(np.sort(triangle_sides, axis=1), axis=0)

    @cached_property
    def half_planes(self) -> Array:
        """Half-planes (a, b, c) of each cell, (cells, 4, 3).

        A point belongs to a cell if all four a*x + b*y + c are >= 0. The values are distances in
        sides of a square along x or y.
        """
        local = np.array([self._local_half_planes(*cell) for cell in self._cell_addresses()])
        offset = np.array([[column, row] for row, column, _ in self._cell_addresses()], dtype=float)
        constant = local[..., 2] - np.einsum("ckj,cj->ck", local[..., :2], offset)
        return np.concatenate([local[..., :2] * (self.nx, self.ny), constant[..., None]], axis=2)

    def locate(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the index of the cell that owns each point; x and y share any shape."""
        u, w = x * self.nx, y * self.ny
        column = u.floor().clamp_(0, self.nx - 1)
        row = w.floor().clamp_(0, self.ny - 1)
        u, w = u - column, w - row
        above_falling, above_rising = u > w, u + w < 1
        side = torch.where(
            above_falling,
            torch.where(above_rising, TOP, RIGHT),
            torch.where(above_rising, LEFT, BOTTOM),
        )
        square = (row * self.nx + column).nan_to_num_(0.0)
        return square.long() * 4 + side

    def _cell_addresses(self) -> list[tuple[int, int, int]]:
        return [(r, c, side) for r in range(self.ny) for c in range(self.nx) for side in range(4)]

    def _local_half_planes(self, row: int, column: int, side: int) -> list[tuple[float, ...]]:
        walls = {
            TOP: row == 0,
            RIGHT: column == self.nx - 1,
            BOTTOM: row == self.ny - 1,
            LEFT: column == 0,
        }
        if not walls[side]:
            return [*_DIAGONALS[side], _SIDES[side], _EVERYWHERE]
        flanks = (LEFT, RIGHT) if side in (TOP, BOTTOM) else (TOP, BOTTOM)
        rays = [_EVERYWHERE if walls[flank] else _SIDES[flank] for flank in flanks]
        return [*_DIAGONALS[side], *rays]


def _lattice(xs: npt.NDArray[np.generic], ys: npt.NDArray[np.generic]) -> Array:
    grid = np.stack(np.meshgrid(xs, ys, indexing="xy"), axis=-1)
    return grid.reshape(-1, 2).astype(np.float64)
