"""Grids on a picture, straight and deformed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.geometry.coordinates import identity_grid, to_unit_square
from cpabmm_core.visualize.painting import Colour, Pen, Picture, image_pixels, painted
from cpabmm_core.visualize.square import SquareView, view_square

_LINES_PER_SQUARE = 4
_POINTS_PER_LINE = 4  # between two crossings, so that lines are smooth curves

_INK: Colour = (46, 64, 92)
_PALE_INK: Colour = (146, 162, 186)
_FRAME: Colour = (190, 190, 190)


def draw_grid(
    image: Picture,  # (H, W, 3)
    grid: NDArray[Any],  # (R, C, 2) in [-1, 1]
    *,
    spacing: int = 1,
    colour: Colour = (255, 255, 255),
    width: float = 1.0,
) -> Picture:
    """The image with lines that join the R x C grid points along rows and columns.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel; parts outside are cut off.

    Args:
        image: the picture to draw on; it is not changed.
        grid: points of the deformed grid; the denser, the smoother the curves.
        spacing: every how many rows and columns a line is drawn.
        colour: of the lines, RGB.
        width: of the lines, in pixels.
    """
    nodes = image_pixels(grid, image)

    def paint(pen: Pen) -> None:
        for line in (*nodes[::spacing], *nodes.swapaxes(0, 1)[::spacing]):
            pen.line(line, colour, width)

    return painted(image, paint)


def draw_deformation_grid(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    size: int = 512,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (h, w, 3), a little larger than `size`
    """What T^theta makes of a straight grid, on white or on the image warped by it.

    Every fourth line is one of the tessellation's. A thin frame is the unit square; what leaves it
    by up to half a side is shown.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        size: longer side of the unit square, in pixels; the room around it comes on top.
        image: a picture on the unit square; its proportions are kept.
    """
    lattice = deformed_lattice(space, theta)
    view = view_square(size, image, lattice)
    paper = view.paper() if image is None else view.showing_warped(image, space, theta)
    return painted(paper, lambda pen: paint_lattice(pen, view, lattice, on_image=image is not None))


def deformed_lattice(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
) -> Array:  # (R, C, 2)
    """Where T^theta takes a lattice of the unit square, dense enough to draw curves through."""
    steps = _LINES_PER_SQUARE * _POINTS_PER_LINE
    rows, columns = (steps * count + 1 for count in (space.tessellation.ny, space.tessellation.nx))
    straight = to_unit_square(identity_grid(rows, columns, dtype=theta.dtype, device=theta.device))
    moved = transform(space, theta, straight.reshape(1, -1, 2))
    return moved.reshape(rows, columns, 2).detach().cpu().double().numpy()


def paint_lattice(pen: Pen, view: SquareView, lattice: Array, *, on_image: bool) -> None:
    """Lines through a lattice, those of the tessellation stronger."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float64)
    pen.line(view.pixels(corners), _FRAME, view.line)
    nodes = view.pixels(lattice)
    thin, thick = (
        [*nodes[::spacing], *nodes.swapaxes(0, 1)[::spacing]]
        for spacing in (_POINTS_PER_LINE, _POINTS_PER_LINE * _LINES_PER_SQUARE)
    )
    for lines, colour, width in ((thin, _PALE_INK, 0.8), (thick, _INK, 1.4)):
        if not on_image:
            for line in lines:
                pen.line(line, colour, width * view.line)
            continue
        for line in lines:  # white in a thin shadow is seen on light and on dark
            pen.line(line, (0, 0, 0), (width + 1.4) * view.line, opacity=0.35)
        for line in lines:
            pen.line(line, (255, 255, 255), (width + 0.2) * view.line)
