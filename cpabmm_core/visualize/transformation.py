"""Plots of a transformation: its effect on points, a grid and a picture."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.visualize.canvas import Canvas, Colour, Picture, overlay
from cpabmm_core.visualize.fields import FADING, add_field
from cpabmm_core.visualize.grids import add_lattice, deformed_lattice
from cpabmm_core.visualize.layout import side_by_side
from cpabmm_core.visualize.square import WHITE, SquareView, view_square

_MOTION: Colour = (224, 70, 28)
_TARGET: Colour = (12, 132, 120)
_MOST_ARROWS = 2000
"""Number of points beyond which only every second, third, ... is drawn."""


def plot_transformation(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    source: Array,  # (P, 2) in the unit square
    target: Array,  # (P, 2)
    image: Picture | None = None,  # (H, W, 3)
    size: int = 512,
) -> Picture:
    """Plot the motion of points over the deformed grid, next to the velocity field.

    An arrow leads from each source point to where T^theta moves it. A ring marks the point's
    target: a tip outside its ring is a residual. With an image the plot has three parts: the arrows
    over the image, the deformed grid over the warped image, and the velocity field.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        source: the points before the transformation; there may be none. At most 2,000 of them,
            evenly spaced in their order, are drawn.
        target: where the points should go.
        image: a picture of the unit square; its proportions are kept.
        size: longer side of the unit square in each part, in pixels.

    Returns:
        The plot.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> point = np.array([[0.5, 0.5]])
        >>> plot_transformation(space, torch.zeros(1, space.dim), point, point, size=100).shape
        (106, 214, 3)
    """
    moved = transform(space, theta, torch.from_numpy(source)[None].to(theta))[0]
    ends = moved.detach().cpu().double().numpy()
    lattice = deformed_lattice(space, theta)
    whole = view_square(size, image, lattice, source, target, ends)
    # All parts have one height, so that their squares align; their widths differ.
    of_points, of_field = (
        replace(view, margin=view.margin._replace(top=whole.margin.top, bottom=whole.margin.bottom))
        for view in (view_square(size, image, source, target, ends), view_square(size, image))
    )
    if image is None:
        grid = overlay(
            whole.blank(),
            lambda canvas: add_lattice(canvas, whole, lattice, on_image=False),
            lambda canvas: _add_motions(canvas, whole, source, ends, target),
        )
        parts, field = [grid], of_field.blank()
    else:
        motions = overlay(
            of_points.show(image),
            lambda canvas: _add_motions(canvas, of_points, source, ends, target),
        )
        grid = overlay(
            whole.show_warped(image, space, theta),
            lambda canvas: add_lattice(canvas, whole, lattice, on_image=True),
        )
        parts, field = [motions, grid], of_field.show(image, fading=FADING)
    parts.append(overlay(field, lambda canvas: add_field(canvas, of_field, space, theta)))
    return side_by_side(parts, gap=round(0.02 * size))


def _add_motions(
    canvas: Canvas, view: SquareView, source: Array, ends: Array, target: Array
) -> None:
    # Markers shrink as their number grows, so that they do not hide each other.
    scale = view.line * float(np.clip(1.4 - len(source) / 50, 0.8, 1.2))
    step = max(-(-len(source) // _MOST_ARROWS), 1)
    starts, tips, goals = (view.pixels(points[::step]) for points in (source, ends, target))
    for goal in goals:
        canvas.dot(goal, 7 * scale, None, outline=WHITE, width=4 * scale)
        canvas.dot(goal, 6 * scale, None, outline=_TARGET, width=2 * scale)
    for start, tip in zip(starts, tips, strict=True):
        canvas.dot(start, 4.6 * scale, WHITE)
        canvas.arrow(start, tip, _MOTION, 2.6 * scale, halo=WHITE)
        canvas.dot(start, 3.2 * scale, _MOTION)
