"""Pictures of what the model sees: keypoints, deformed grids, images side by side."""

import colorsys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from cpabmm_core.cpab.image import warp_image
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.geometry.coordinates import (
    from_unit_square,
    identity_grid,
    to_pixels,
    to_unit_square,
)

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
_Paint = Callable[[ImageDraw.ImageDraw, int], None]

_SMOOTHING = 4  # drawn this many times larger and averaged, so that lines have no stairs
_POINTS_PER_CELL = 16


def draw_keypoints(
    image: Picture,  # (H, W, 3)
    points: NDArray[Any],  # (N, 2) in [-1, 1]
    *,
    groups: int | None = None,
    radius: float | None = None,
) -> Picture:
    """The image with a dot at every keypoint.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel.

    Args:
        image: the picture to draw on; it is not changed.
        points: the keypoints, group after group.
        groups: points of one group share a colour; without it every point has its own.
        radius: of a dot, in pixels; by default a hundredth of the longer side, at least 1.5.
    """
    dots = _pixels(points, image)
    dot = radius if radius is not None else max(1.5, max(image.shape[:2]) / 100)
    colours = _hues(groups or len(dots))

    def paint(draw: ImageDraw.ImageDraw, scale: int) -> None:
        for index, (x, y) in enumerate(_enlarged(dots, scale)):
            colour = colours[index * len(colours) // len(dots)]
            box = [x - dot * scale, y - dot * scale, x + dot * scale, y + dot * scale]
            draw.ellipse(box, fill=colour, outline=(0, 0, 0), width=max(1, int(dot * scale / 4)))

    return _painted(image, paint)


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
    rows, columns = grid.shape[:2]
    nodes = _pixels(grid.reshape(-1, 2), image).reshape(rows, columns, 2)

    def paint(draw: ImageDraw.ImageDraw, scale: int) -> None:
        for line in (*nodes[::spacing], *nodes.swapaxes(0, 1)[::spacing]):
            corners = [(float(x), float(y)) for x, y in _enlarged(line, scale)]
            draw.line(corners, fill=colour, width=max(1, round(width * scale)), joint="curve")

    return _painted(image, paint)


def draw_transformation(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    source: NDArray[Any],  # (P, 2) in [0, 1]
    target: NDArray[Any],  # (P, 2) in [0, 1]
    image: Picture | None = None,  # (H, W, 3), grey if there is none
) -> Picture:
    """Before and after: the image under a straight grid, and warped under the deformed grid.

    Convention:
        Points are (x, y) in the unit square. The source points lie on the left picture, the target
        points on the right one; every second grid line is one of the tessellation's.
    """
    if image is None:
        image = np.full((512, 512, 3), 64, dtype=np.uint8)
    rows = space.tessellation.ny * _POINTS_PER_CELL + 1
    columns = space.tessellation.nx * _POINTS_PER_CELL + 1
    straight = identity_grid(rows, columns, dtype=theta.dtype)
    moved = transform(space, theta, to_unit_square(straight).reshape(1, -1, 2))
    deformed = from_unit_square(moved).reshape(rows, columns, 2)
    sides = ((image, straight, source), (warp_image(space, theta, image), deformed, target))
    pictures = []
    for picture, grid, points in sides:
        width = max(1.0, max(image.shape[:2]) / 500)
        lined = draw_grid(picture, grid.numpy(), spacing=_POINTS_PER_CELL // 2, width=width)
        dots = from_unit_square(torch.from_numpy(points)).numpy()
        pictures.append(draw_keypoints(lined, dots))
    return side_by_side(pictures)


def side_by_side(
    images: Sequence[Picture], *, gap: int = 4, colour: Colour = (255, 255, 255)
) -> Picture:
    """One picture of the images (each (H, W, 3)) in a row, a gap apart, centred vertically.

    Args:
        images: the pictures from left to right, of any sizes.
        gap: pixels between two pictures.
        colour: of the gaps and of what a lower picture leaves free, RGB.
    """
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + gap * (len(images) - 1)
    row = np.full((height, width, 3), colour, dtype=np.uint8)
    left = 0
    for image in images:
        top = (height - image.shape[0]) // 2
        row[top : top + image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + gap
    return row


def _pixels(points: NDArray[Any], image: Picture) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    positions = to_pixels(torch.from_numpy(np.asarray(points, dtype=np.float64)), height, width)
    return positions.numpy()


def _enlarged(pixels: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    # In Pillow as here whole numbers are pixel centres.
    return (pixels + 0.5) * scale - 0.5


def _hues(count: int) -> list[Colour]:
    hues = [colorsys.hsv_to_rgb(index / count, 0.85, 1.0) for index in range(count)]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in hues]


def _painted(image: Picture, paint: _Paint) -> Picture:
    height, width = image.shape[:2]
    canvas = Image.new("RGBA", (width * _SMOOTHING, height * _SMOOTHING))
    paint(ImageDraw.Draw(canvas), _SMOOTHING)
    layer = canvas.reduce(_SMOOTHING)
    drawn = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer)
    return np.array(drawn.convert("RGB"))
