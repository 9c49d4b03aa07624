"""Velocity fields as arrows."""

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.visualize.canvas import Canvas, Colour, Picture, blend, overlay
from cpabmm_core.visualize.square import SquareView, view_square
from cpabmm_core.visualize.tessellation import add_triangles

_ARROWS = 21  # along the longer side
_LONGEST = 0.95  # length of the longest arrow, in lattice spacings
_FAST = 0.95  # quantile of the speeds that gets that length, so that outliers shrink no others
FADING = 0.6
"""How far a picture under arrows is faded to white, from 0 to 1."""

_SLOW_TO_FAST: tuple[Colour, ...] = (
    (150, 170, 200),
    (74, 126, 200),
    (96, 72, 190),
    (186, 44, 130),
    (232, 74, 38),
)


def plot_velocity_field(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    size: int = 512,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (h, w, 3), a little larger than `size`
    """Plot a velocity field as arrows on a lattice, over the triangles of the tessellation.

    Lengths are proportional to the speed, except that the fastest twentieth of the arrows share the
    greatest length, nearly the spacing of the lattice. Colours run from grey-blue (slow) through
    violet to orange (fast). A dot marks a place that hardly moves.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        size: longer side of the unit square in pixels, without the margin.
        image: a picture of the unit square, shown faded; its proportions are kept. None leaves the
            background white.

    Returns:
        The plot.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace, sample
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> theta = sample(space, generator=torch.Generator().manual_seed(0))
        >>> plot_velocity_field(space, theta, size=100).shape
        (106, 106, 3)
    """
    view = view_square(size, image)
    background = view.blank() if image is None else view.show(image, fading=FADING)
    return overlay(background, lambda canvas: add_field(canvas, view, space, theta))


def add_field(canvas: Canvas, view: SquareView, space: VelocitySpace, theta: Tensor) -> None:
    """Add the triangles and the arrows to a canvas."""
    add_triangles(canvas, view, space.tessellation)
    distance = max(view.width, view.height) / _ARROWS
    columns, rows = (max(1, round(side / distance)) for side in (view.width, view.height))
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    places = np.stack([x, y], axis=-1).reshape(-1, 2)
    steps = velocities(space, theta, places) * (view.width, view.height)
    speeds = np.hypot(*steps.T)
    fast = float(np.quantile(speeds, _FAST)) or 1.0
    for place, step, speed in zip(view.pixels(places), steps, speeds, strict=True):
        share = min(speed / fast, 1.0)
        colour = blend(_SLOW_TO_FAST, share)
        length = share * _LONGEST * distance
        if length < 3 * view.line:
            canvas.dot(place, 1.2 * view.line, colour)
        else:
            half = step / speed * length / 2
            canvas.arrow(place - half, place + half, colour, 2.0 * view.line)


def velocities(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    points: Array,  # (P, 2)
) -> Array:  # (P, 2) in sides of the square per unit of time
    """Evaluate v(x) = A_c [x, y, 1]^T in the cell c that owns each point."""
    places = torch.from_numpy(points).to(theta)
    cells = space.tessellation.locate(places[:, 0], places[:, 1])
    maps = space.affine(theta)[0, cells]  # (P, 2, 3)
    moving = (maps[:, :, :2] @ places[:, :, None])[..., 0] + maps[:, :, 2]
    return moving.detach().cpu().double().numpy()
