"""Lines without stairs on pictures, and the colours of this package's pictures."""

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

_SMOOTHING = 4  # drawn this many times larger and averaged, so that lines have no stairs
_HEAD_LENGTH, _HEAD_WIDTH = 4.0, 3.6  # of an arrow, in widths of its shaft


class Pen:
    """Draws on a transparent sheet that is larger than the picture it will be laid on.

    Convention:
        Positions are (x, y) in pixels of the picture, whole numbers are centres of pixels; widths
        are in pixels too.
    """

    def __init__(self, height: int, width: int) -> None:
        self._sheet = Image.new("RGBA", (width * _SMOOTHING, height * _SMOOTHING))
        self._draw = ImageDraw.Draw(self._sheet)

    def line(self, points: Array, colour: Colour, width: float, opacity: float = 1.0) -> None:
        """A line through (P, 2) points."""
        thick = max(1, round(width * _SMOOTHING))
        self._draw.line(_enlarged(points), _rgba(colour, opacity), thick, joint="curve")

    def dot(
        self,
        centre: Array,  # (2,)
        radius: float,
        colour: Colour | None,
        *,
        outline: Colour = (0, 0, 0),
        width: float = 0.0,
    ) -> None:
        """A disc, or without a colour a ring; the outline lies within the radius."""
        ((x, y),) = _enlarged(centre[None])
        reach = radius * _SMOOTHING
        edge = max(1, int(width * _SMOOTHING)) if width else 0
        box = (x - reach, y - reach, x + reach, y + reach)
        self._draw.ellipse(box, colour, outline, edge)

    def arrow(
        self,
        tail: Array,  # (2,)
        tip: Array,  # (2,)
        colour: Colour,
        width: float,
        *,
        halo: Colour | None = None,
    ) -> None:
        """An arrow; a short one is drawn thinner, so that it stays one. A halo sets it off."""
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
            closed = np.array([*corners, *corners[:2]])  # on, past the first corner: it is a joint
            self.line(closed, halo, 1.6 * width)
        self._draw.polygon(_enlarged(np.array(corners)), colour)

    def laid_on(self, image: Picture) -> Picture:
        """The picture under the sheet; the picture itself is not changed."""
        layer = self._sheet.reduce(_SMOOTHING)
        drawn = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer)
        return np.array(drawn.convert("RGB"))


def painted(image: Picture, *paints: Callable[[Pen], None]) -> Picture:
    """A copy of the image with what each of `paints` draws on it, one over the other."""
    pen = Pen(*image.shape[:2])
    for paint in paints:
        paint(pen)
    return pen.laid_on(image)


def image_pixels(
    points: NDArray[Any],  # (..., 2) in [-1, 1]
    image: Picture,
) -> Array:  # (..., 2) in pixels of the image
    """Positions to draw at."""
    height, width = image.shape[:2]
    return to_pixels(torch.from_numpy(np.asarray(points, np.float64)), height, width).numpy()


def hues(count: int) -> list[Colour]:
    """So many bright colours, evenly round the circle."""
    colours = [colorsys.hsv_to_rgb(index / count, 0.85, 1.0) for index in range(count)]
    return [
        (round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colours
    ]


def blend(stops: Sequence[Colour], share: float) -> Colour:
    """The colour at a share, from 0 to 1, of the way along the stops."""
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    part = place - index
    mixed = [round(a + part * (b - a)) for a, b in zip(stops[index], stops[index + 1], strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _rgba(colour: Colour, opacity: float) -> tuple[int, int, int, int]:
    return (*colour, round(255 * opacity))


def _enlarged(pixels: Array) -> list[tuple[float, float]]:
    # In Pillow as here whole numbers are pixel centres.
    return [(float(x), float(y)) for x, y in (pixels + 0.5) * _SMOOTHING - 0.5]
