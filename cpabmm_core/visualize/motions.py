"""A transformation at a glance: what it does to points, to a grid and to a picture."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.visualize.fields import FADING, paint_field
from cpabmm_core.visualize.grids import deformed_lattice, paint_lattice
from cpabmm_core.visualize.layout import side_by_side
from cpabmm_core.visualize.painting import Colour, Pen, Picture, painted
from cpabmm_core.visualize.square import PAPER, SquareView, view_square

_MOTION: Colour = (224, 70, 28)
_TARGET: Colour = (12, 132, 120)


def draw_transformation(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    source: Array,  # (P, 2) in the unit square
    target: Array,  # (P, 2)
    image: Picture | None = None,  # (H, W, 3)
    size: int = 512,
) -> Picture:
    """The motion of the points over the deformed grid, and beside it the velocity field.

    An arrow leads from each source point to where T^theta takes it; a ring is the point's target,
    so a tip outside its ring is a residual. With an image there are three parts: the arrows on the
    image, the warped image under the deformed grid, and the velocity field.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        source: the points before, if any.
        target: where they were to go.
        image: a picture on the unit square; its proportions are kept.
        size: longer side of the unit square in each part, in pixels.
    """
    moved = transform(space, theta, torch.from_numpy(source)[None].to(theta))[0]
    ends = moved.detach().cpu().double().numpy()
    lattice = deformed_lattice(space, theta)
    whole = view_square(size, image, lattice, source, target, ends)
    # The squares of all parts stand on one height; sidewards each part has the room it needs.
    of_points, of_field = (
        replace(view, room=view.room._replace(top=whole.room.top, bottom=whole.room.bottom))
        for view in (view_square(size, image, source, target, ends), view_square(size, image))
    )
    if image is None:
        grid = painted(
            whole.paper(),
            lambda pen: paint_lattice(pen, whole, lattice, on_image=False),
            lambda pen: _paint_motions(pen, whole, source, ends, target),
        )
        parts, field = [grid], of_field.paper()
    else:
        motions = painted(
            of_points.showing(image),
            lambda pen: _paint_motions(pen, of_points, source, ends, target),
        )
        grid = painted(
            whole.showing_warped(image, space, theta),
            lambda pen: paint_lattice(pen, whole, lattice, on_image=True),
        )
        parts, field = [motions, grid], of_field.showing(image, fading=FADING)
    parts.append(painted(field, lambda pen: paint_field(pen, of_field, space, theta)))
    return side_by_side(parts, gap=round(0.02 * size))


def _paint_motions(pen: Pen, view: SquareView, source: Array, ends: Array, target: Array) -> None:
    # Many points would else hide each other.
    scale = view.line * float(np.clip(1.4 - len(source) / 50, 0.8, 1.2))
    starts, tips, goals = (view.pixels(points) for points in (source, ends, target))
    for goal in goals:
        pen.dot(goal, 7 * scale, None, outline=PAPER, width=4 * scale)
        pen.dot(goal, 6 * scale, None, outline=_TARGET, width=2 * scale)
    for start, tip in zip(starts, tips, strict=True):
        pen.dot(start, 4.6 * scale, PAPER)
        pen.arrow(start, tip, _MOTION, 2.6 * scale, halo=PAPER)
        pen.dot(start, 3.2 * scale, _MOTION)
