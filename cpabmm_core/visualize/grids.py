"""Straight and deformed grids."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.geometry.coordinates import identity_grid, to_unit_square
from cpabmm_core.visualize.canvas import Canvas, Colour, Picture, image_pixels, overlay
from cpabmm_core.visualize.square import SquareView, view_square

_LINES_PER_SQUARE = 4
_POINTS_PER_LINE = 4  # between two crossings, for smooth curves

_DARK: Colour = (46, 64, 92)
_PALE: Colour = (146, 162, 186)
_BORDER: Colour = (190, 190, 190)


def overlay_grid(
    image: Picture,  # (H, W, 3)
    grid: NDArray[Any],  # (R, C, 2) in [-1, 1]
    *,
    spacing: int = 1,
    colour: Colour = (255, 255, 255),
    width: float = 1.0,
) -> Picture:
    """Overlay lines that join R x C grid points along rows and columns.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel. Lines are clipped to the
        image.

    Args:
        image: the picture; it is not changed.
        grid: points of the deformed grid; more points give smoother curves.
        spacing: number of rows and columns from one line to the next.
        colour: colour of the lines.
        width: width of the lines in pixels.

    Returns:
        A copy of the image with the lines.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.geometry import identity_grid
        >>> picture = overlay_grid(np.zeros((41, 41, 3), np.uint8), identity_grid(3, 3).numpy())
        >>> picture[20, 10].tolist(), picture[10, 10].tolist()
        ([255, 255, 255], [0, 0, 0])
    """
    nodes = image_pixels(grid, image)

    def add_lines(canvas: Canvas) -> None:
        for line in (*nodes[::spacing], *nodes.swapaxes(0, 1)[::spacing]):
            canvas.line(line, colour, width)

    return overlay(image, add_lines)


def plot_deformation_grid(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    size: int = 512,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (h, w, 3), a little larger than `size`
    """Plot a straight grid after T^theta has moved it, on white or on the warped image.

    Every fourth line is a line of the tessellation. A thin border marks the unit square. The plot
    extends up to half a side beyond the square, as far as the grid does.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        size: longer side of the unit square in pixels, without the margin.
        image: a picture of the unit square; its proportions are kept. None leaves the background
            white.

    Returns:
        The plot.

    Example:
        >>> import torch
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> plot_deformation_grid(space, torch.zeros(1, space.dim), size=100).shape
        (106, 106, 3)
    """
    lattice = deformed_lattice(space, theta)
    view = view_square(size, image, lattice)
    background = view.blank() if image is None else view.show_warped(image, space, theta)
    return overlay(
        background, lambda canvas: add_lattice(canvas, view, lattice, on_image=image is not None)
    )


def deformed_lattice(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
) -> Array:  # (R, C, 2)
    """Move a lattice of the unit square by T^theta; it is dense enough for smooth curves."""
    steps = _LINES_PER_SQUARE * _POINTS_PER_LINE
    rows, columns = (steps * count + 1 for count in (space.tessellation.ny, space.tessellation.nx))
    straight = to_unit_square(identity_grid(rows, columns, dtype=theta.dtype, device=theta.device))
    moved = transform(space, theta, straight.reshape(1, -1, 2))
    return moved.reshape(rows, columns, 2).detach().cpu().double().numpy()


def add_lattice(canvas: Canvas, view: SquareView, lattice: Array, *, on_image: bool) -> None:
    """Add the lines through a lattice, with stronger ones for the tessellation."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float64)
    canvas.line(view.pixels(corners), _BORDER, view.line)
    nodes = view.pixels(lattice)
    thin, thick = (
        [*nodes[::spacing], *nodes.swapaxes(0, 1)[::spacing]]
        for spacing in (_POINTS_PER_LINE, _POINTS_PER_LINE * _LINES_PER_SQUARE)
    )
    for lines, colour, width in ((thin, _PALE, 0.8), (thick, _DARK, 1.4)):
        if not on_image:
            for line in lines:
                canvas.line(line, colour, width * view.line)
            continue
        for line in lines:  # a white line in a thin shadow is visible on light and on dark
            canvas.line(line, (0, 0, 0), (width + 1.4) * view.line, opacity=0.35)
        for line in lines:
            canvas.line(line, (255, 255, 255), (width + 0.2) * view.line)
