"""A velocity field as arrows."""

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.visualize.painting import Colour, Pen, Picture, blend, painted
from cpabmm_core.visualize.square import SquareView, view_square

_ARROWS = 21  # along the longer side
_LONGEST = 0.95  # arrow, in distances between two arrows
_FAST = 0.95  # share of the arrows that are shorter: a fast corner must not shrink all others
FADING = 0.6
"""How much of a picture under arrows goes into the white."""

_EDGE: Colour = (190, 199, 214)
_SLOW_TO_FAST: tuple[Colour, ...] = (
    (150, 170, 200),
    (74, 126, 200),
    (96, 72, 190),
    (186, 44, 130),
    (232, 74, 38),
)


def draw_velocity_field(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    size: int = 512,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (h, w, 3), a little larger than `size`
    """The velocity field of theta as arrows on a lattice, over the triangles, on white or an image.

    Lengths are in proportion to the speed, and the fastest twentieth of the arrows, all of one
    length, as long as their distance; colours run from grey-blue (slow) over violet to
    orange (fast). Where next to nothing moves there is a dot.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        size: longer side of the unit square, in pixels; the room around it comes on top.
        image: a picture on the unit square, shown faded; its proportions are kept.
    """
    view = view_square(size, image)
    paper = view.paper() if image is None else view.showing(image, fading=FADING)
    return painted(paper, lambda pen: paint_field(pen, view, space, theta))


def paint_field(pen: Pen, view: SquareView, space: VelocitySpace, theta: Tensor) -> None:
    """The triangles and the arrows."""
    tess = space.tessellation
    for edge in tess.vertices[tess.edges]:
        pen.line(view.pixels(edge), _EDGE, 0.8 * view.line)
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
            pen.dot(place, 1.2 * view.line, colour)
        else:
            half = step / speed * length / 2
            pen.arrow(place - half, place + half, colour, 2.0 * view.line)


def velocities(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    points: Array,  # (P, 2)
) -> Array:  # (P, 2) in sides of the square a unit of time
    """v(x) = A_c [x, y, 1]^T in the cell c that owns the point."""
    places = torch.from_numpy(points).to(theta)
    cells = space.tessellation.locate(places[:, 0], places[:, 1])
    maps = space.affine(theta)[0, cells]  # (P, 2, 3)
    moving = (maps[:, :, :2] @ places[:, :, None])[..., 0] + maps[:, :, 2]
    return moving.detach().cpu().double().numpy()
