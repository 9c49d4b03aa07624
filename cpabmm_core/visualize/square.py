"""Views of CPAB's unit square: its position in a picture and the margin around it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.image import Margin, warp_image
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.geometry.coordinates import from_unit_square, to_pixels
from cpabmm_core.visualize.canvas import Colour, Picture

WHITE: Colour = (255, 255, 255)

_LEAST, _MOST = 0.03, 0.5  # bounds of the margin, relative to the longer side of the unit square
_FLATTEST = 0.2  # smallest ratio of the sides; on a flatter picture lines would cover everything


@dataclass(frozen=True)
class SquareView:
    """The unit square as `width` x `height` pixels of a picture, with a margin around it.

    Convention:
        0 and 1 of the unit square are the centres of its first and last pixel.
    """

    width: int
    height: int
    margin: Margin

    @property
    def line(self) -> float:
        """Width of a line in pixels, in proportion to the square but never too thin to see."""
        return max(max(self.width, self.height) / 600, 0.7)

    def pixels(
        self,
        points: Array,  # (..., 2) in the unit square
    ) -> Array:  # (..., 2)
        """Convert points of the unit square to pixels of the picture."""
        inside = to_pixels(from_unit_square(torch.from_numpy(points)), self.height, self.width)
        positions: Array = inside.numpy() + np.array([self.margin.left, self.margin.top])
        return positions

    def blank(self) -> Picture:
        """Return a white picture."""
        margin = self.margin
        shape = self.height + margin.top + margin.bottom, self.width + margin.left + margin.right, 3
        return np.full(shape, WHITE, dtype=np.uint8)

    def show(self, image: Picture, *, fading: float = 0.0) -> Picture:
        """Return the image in the unit square, mixed with white; `fading` is the share of white."""
        picture, top, left = self.blank(), self.margin.top, self.margin.left
        faded = (1 - fading) * self._fit(image) + fading * np.array(WHITE)
        picture[top : top + self.height, left : left + self.width] = np.rint(faded)
        return picture

    def show_warped(
        self,
        image: Picture,
        space: VelocitySpace,
        theta: Tensor,  # (1, dim)
    ) -> Picture:
        """Return the image moved by T^theta, including the parts that leave the unit square."""
        opaque = np.full((self.height, self.width, 1), 255, dtype=np.uint8)
        moved = warp_image(space, theta, np.dstack([self._fit(image), opaque]), margin=self.margin)
        alpha = moved[..., 3:] / 255
        mixed = alpha * moved[..., :3] + (1 - alpha) * np.array(WHITE)
        picture: Picture = np.rint(mixed).astype(np.uint8)
        return picture

    def _fit(self, image: Picture) -> NDArray[np.uint8]:
        resized = Image.fromarray(image).resize((self.width, self.height), Image.Resampling.LANCZOS)
        return np.array(resized)


def view_square(size: int, image: Picture | None, *seen: Array) -> SquareView:
    """Return a view of the unit square in the proportions of the image, or 1:1 without one.

    Args:
        size: longer side of the unit square, in pixels.
        image: the picture of the unit square.
        seen: points (..., 2) that the margin should include, up to half a side away.
    """
    shape = np.array((1, 1) if image is None else image.shape[1::-1])
    sides = np.maximum(shape / shape.max(), _FLATTEST) * size
    beyond = np.zeros((2, 2))  # before 0 and after 1, in x and in y
    for points in seen:
        if points.size:
            flat = points.reshape(-1, 2)
            beyond = np.maximum(beyond, [-flat.min(axis=0), flat.max(axis=0) - 1])
    pixels = np.rint(np.clip(beyond * sides + _LEAST * size, 0, _MOST * size)).astype(int)
    (left, top), (right, bottom) = pixels.tolist()
    width, height = (round(side) for side in sides.tolist())
    return SquareView(width, height, Margin(left, top, right, bottom))
