"""Where the unit square of CPAB lies in a picture."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.image import Room, warp_image
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.geometry.coordinates import from_unit_square, to_pixels
from cpabmm_core.visualize.painting import Colour, Picture

PAPER: Colour = (255, 255, 255)

_LEAST, _MOST = 0.03, 0.5  # room on a side of the unit square, in its longer sides
_FLATTEST = 0.2  # side to side: on a flatter picture lines would hide all


@dataclass(frozen=True)
class SquareView:
    """The unit square as `width` x `height` pixels of a picture, with room around it.

    Convention:
        0 and 1 of the unit square are the centres of its first and last pixel.
    """

    width: int
    height: int
    room: Room

    @property
    def line(self) -> float:
        """Width of a line: pictures of all sizes look alike, and small ones keep theirs."""
        return max(max(self.width, self.height) / 600, 0.7)

    def pixels(
        self,
        points: Array,  # (..., 2) in the unit square
    ) -> Array:  # (..., 2)
        """Positions in the picture."""
        inside = to_pixels(from_unit_square(torch.from_numpy(points)), self.height, self.width)
        positions: Array = inside.numpy() + np.array([self.room.left, self.room.top])
        return positions

    def paper(self) -> Picture:
        """A white picture."""
        room = self.room
        shape = self.height + room.top + room.bottom, self.width + room.left + room.right, 3
        return np.full(shape, PAPER, dtype=np.uint8)

    def showing(self, image: Picture, *, fading: float = 0.0) -> Picture:
        """The image in the unit square, `fading` of it (0 to 1) gone into the white."""
        paper, top, left = self.paper(), self.room.top, self.room.left
        faded = (1 - fading) * self._fitted(image) + fading * np.array(PAPER)
        paper[top : top + self.height, left : left + self.width] = np.rint(faded)
        return paper

    def showing_warped(
        self,
        image: Picture,
        space: VelocitySpace,
        theta: Tensor,  # (1, dim)
    ) -> Picture:
        """The image moved by T^theta, also where it leaves the unit square."""
        opaque = np.full((self.height, self.width, 1), 255, dtype=np.uint8)
        moved = warp_image(space, theta, np.dstack([self._fitted(image), opaque]), room=self.room)
        share = moved[..., 3:] / 255
        shown = share * moved[..., :3] + (1 - share) * np.array(PAPER)
        picture: Picture = np.rint(shown).astype(np.uint8)
        return picture

    def _fitted(self, image: Picture) -> NDArray[np.uint8]:
        resized = Image.fromarray(image).resize((self.width, self.height), Image.Resampling.LANCZOS)
        return np.array(resized)


def view_square(size: int, image: Picture | None, *seen: Array) -> SquareView:
    """A view of the unit square with the proportions of the image, or square without one.

    Args:
        size: longer side of the unit square, in pixels.
        image: what the unit square is.
        seen: points (..., 2) that the room around it should hold, up to half a side away.
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
    return SquareView(width, height, Room(left, top, right, bottom))
