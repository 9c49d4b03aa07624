"""Smooth lines, discs and arrows over pictures, and the colours that the package shares."""

import colorsys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cpabmm_core.arrays import Array
from cpabmm_core.geometry.coordinates import to_pixels

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""
Colour = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""

_SUPERSAMPLING = 4  # shapes are rendered this many times larger and averaged, for smooth edges
_HEAD_LENGTH, _HEAD_WIDTH = 4.0, 3.6  # of an arrow, in widths of its shaft


class Canvas:
    """A transparent layer of shapes, to be composited over a picture.

    Convention:
        Positions are (x, y) in pixels of the picture; integers are the centres of pixels. Widths
        are in pixels too.
    """

    def __init__(self, height: int, width: int) -> None:
        self._layer = Image.new("RGBA", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
        self._shapes = ImageDraw.Draw(self._layer)

    def line(self, points: Array, colour: Colour, width: float, opacity: float = 1.0) -> None:
        """Add a line through (P, 2) points."""
        thick = max(1, round(width * _SUPERSAMPLING))
        self._shapes.line(_enlarge(points), _rgba(colour, opacity), thick, joint="curve")

    def dot(
        self,
        centre: Array,  # (2,)
        radius: float,
        colour: Colour | None,
        *,
        outline: Colour = (0, 0, 0),
        width: float = 0.0,
    ) -> None:
        """Add a disc, or a ring if `colour` is None; the outline lies within the radius."""
        ((x, y),) = _enlarge(centre[None])
        reach = radius * _SUPERSAMPLING
        edge = max(1, int(width * _SUPERSAMPLING)) if width else 0
        box = (x - reach, y - reach, x + reach, y + reach)
        self._shapes.ellipse(box, colour, outline, edge)

    def arrow(
        self,
        tail: Array,  # (2,)
        tip: Array,  # (2,)
        colour: Colour,
        width: float,
        *,
        halo: Colour | None = None,
    ) -> None:
        """Add an arrow, outlined in `halo`; short arrows are thinner to keep their shape."""
        along = tip - tail
        length = float(np.hypot(*along))
        if length == 0:
            return
        width = min(width, length / (1.5 * _HEAD_LENGTH))
        forward = along / length
        aside = np.array([-forward[1], forward[0]]) * width / 2
        neck = tip - forward * _HEAD_LENGTH * width
        barb = aside * _HEAD_WIDTH
        corners = [tail + aside, neck + aside, neck + barb, tip]
        corners += [neck - barb, neck - aside, tail - aside]
        if halo is not None:
            closed = np.array([*corners, *corners[:2]])  # past the first corner, to join it
            self.line(closed, halo, 1.6 * width)
        self._shapes.polygon(_enlarge(np.array(corners)), colour)

    def composite(self, image: Picture) -> Picture:
        """Return a copy of the picture with the layer on top."""
        layer = self._layer.reduce(_SUPERSAMPLING)
        combined = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer)
        return np.array(combined.convert("RGB"))


def overlay(image: Picture, *shapes: Callable[[Canvas], None]) -> Picture:
    """Return a copy of the image with the shapes that each callable adds, in order."""
    canvas = Canvas(*image.shape[:2])
    for add in shapes:
        add(canvas)
    return canvas.composite(image)


def image_pixels(
    points: NDArray[Any],  # (..., 2) in [-1, 1]
    image: Picture,
) -> Array:  # (..., 2) in pixels of the image
    """Convert normalised coordinates to positions on a canvas of the image's size."""
    height, width = image.shape[:2]
    return to_pixels(torch.from_numpy(np.asarray(points, np.float64)), height, width).numpy()


def hues(count: int) -> list[Colour]:
    """Return bright colours evenly spaced around the colour circle."""
    colours = [colorsys.hsv_to_rgb(index / count, 0.85, 1.0) for index in range(count)]
    return [
        (round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colours
    ]


def blend(stops: Sequence[Colour], share: float) -> Colour:
    """Interpolate between colours; `share` runs from 0 (first) to 1 (last)."""
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    part = place - index
    mixed = [round(a + part * (b - a)) for a, b in zip(stops[index], stops[index + 1], strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _rgba(colour: Colour, opacity: float) -> tuple[int, int, int, int]:
    return (*colour, round(255 * opacity))


def _enlarge(pixels: Array) -> list[tuple[float, float]]:
    # Pillow's integers are pixel centres, like ours.
    return [(float(x), float(y)) for x, y in (pixels + 0.5) * _SUPERSAMPLING - 0.5]
