"""The part of a picture that is animated, and the square around it that the model sees.

Convention: pixels of the upright picture, x to the right and y down. A region covers the columns
from `left` to ``left + width - 1`` and the rows from `top` to ``top + height - 1``, so the whole
picture is ``Region(0, 0, width, height)``.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError, ShapeError
from cpabmm_core.media.notices import notify

Fit = Literal["crop", "pad"]
"""How a region that is not square becomes the model's square; `frame_region` describes it."""

_FORM = re.compile(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*", re.ASCII)
_LARGEST = 2**31 - 1
"""The largest number in a region, far above the size of any picture."""


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels, which may extend beyond a picture.

    Attributes:
        left: first column; negative left of the picture.
        top: first row; negative above the picture.
        width: number of columns, 1 or more.
        height: number of rows, 1 or more.

    Example:
        >>> region = Region(left=40, top=0, width=320, height=240)
        >>> str(region), region.inside(300, 300)
        ('40,0,320,240', Region(left=40, top=0, width=260, height=240))
    """

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse a rectangle without pixels.

        Raises:
            ConfigError: width or height is below 1, or a number is beyond all pictures.
        """
        if self.width < 1 or self.height < 1:
            raise ConfigError(f"crop {self}: expected a width and a height of 1 or more pixels")
        if max(abs(self.left), abs(self.top), self.width, self.height) > _LARGEST:
            raise ConfigError(f"crop {self}: a number is too large")

    @classmethod
    def parse(cls, text: str) -> "Region":
        """Read a region from its text form, ``X,Y,W,H``.

        Args:
            text: left, top, width and height in whole pixels.

        Raises:
            ConfigError: the text has another form, or the region has no pixels.

        Example:
            >>> Region.parse("40, 0, 320, 240")
            Region(left=40, top=0, width=320, height=240)
        """
        found = _FORM.fullmatch(text)
        if not found or any(len(number) > len(str(_LARGEST)) + 1 for number in found.groups()):
            raise ConfigError(
                f"crop {text!r}: expected X,Y,W,H in whole pixels, for example 40,0,480,480"
            )
        left, top, width, height = map(int, found.groups())
        return cls(left, top, width, height)

    def __str__(self) -> str:
        """Return the text form, ``X,Y,W,H``."""
        return f"{self.left},{self.top},{self.width},{self.height}"

    def inside(self, width: int, height: int, *, name: str = "picture") -> "Region":
        """Return the part that lies inside a picture.

        A region that extends beyond the picture is clipped, with a notice (`media.notices`): boxes
        from other tools often do, and what they mean is the part that exists.

        Args:
            width: width of the picture in pixels.
            height: height of the picture in pixels.
            name: what a message calls the picture, for example its file.

        Returns:
            The region itself if it lies inside.

        Raises:
            ConfigError: no pixel of the region lies inside the picture.

        Example:
            >>> Region(-10, 5, 30, 20).inside(64, 48)
            Region(left=0, top=5, width=20, height=20)
        """
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.left + self.width, width), min(self.top + self.height, height)
        if right <= left or bottom <= top:
            raise ConfigError(
                f"{name}: crop {self} lies outside the {width} x {height} pixels of the picture",
                f"choose a part of 0,0,{width},{height}",
            )
        clipped = Region(left, top, right - left, bottom - top)
        if clipped != self:
            notify(
                f"{name}: crop {self} extends beyond the {width} x {height} pixels of the picture;"
                f" {clipped} is used"
            )
        return clipped


@dataclass(frozen=True)
class Framing:
    """Which square of a picture the model sees, and which part of it the result shows.

    Attributes:
        region: what the result shows, inside the picture.
        square: what the model sees. It contains the region and may extend beyond the picture.
        mirrored: whether the model sees the mirror image, left and right exchanged.

    Example:
        >>> framing = frame_region(64, 48, None, fit="pad")
        >>> framing.square
        Region(left=0, top=-8, width=64, height=64)
        >>> seen = framing.cut(np.zeros((48, 64, 3), np.uint8))
        >>> seen.shape, framing.uncover(seen).shape
        ((64, 64, 3), (48, 64, 3))
    """

    region: Region
    square: Region
    mirrored: bool = False

    def cut(
        self,
        image: Frame,  # (H, W, 3 or 4)
    ) -> Frame:  # (side, side, 3 or 4)
        """Cut the square out of the picture. Beyond the picture, its edge pixels repeat.

        Args:
            image: the picture, RGB or RGBA, of the size that the framing was made for.

        Returns:
            A copy.
        """
        height, width = image.shape[:2]
        square = self.square
        right, bottom = square.left + square.width, square.top + square.height
        part = image[max(square.top, 0) : bottom, max(square.left, 0) : right]
        rows = (max(-square.top, 0), max(bottom - height, 0))
        columns = (max(-square.left, 0), max(right - width, 0))
        seen = np.pad(part, (rows, columns, (0, 0)), mode="edge")
        return seen[:, ::-1].copy() if self.mirrored else seen

    def uncover(
        self,
        square: Frame,  # (T, T, 3 or 4)
    ) -> Frame:  # (h, w, 3 or 4), the longer of h and w is T
        """Cut the part that shows the region out of a rendered square of any size.

        The result has the proportions of the region, to the nearest pixel. Where the region does
        not start and end between two pixels of the square, the part is resampled bicubically.

        Args:
            square: the square as rendered.

        Returns:
            The part, as a view of `square` where possible.

        Raises:
            ShapeError: the picture is not square.
        """
        side = square.shape[0]
        if square.shape[1] != side:
            raise ShapeError(f"square: expected (T, T, 3 or 4), got {square.shape}")
        region, scale = self.region, side / self.square.width
        left, top = region.left - self.square.left, region.top - self.square.top
        if self.mirrored:
            left = self.square.width - region.width - left
        edges = (left, top, left + region.width, top + region.height)
        box = tuple(edge * side / self.square.width for edge in edges)
        width = max(1, round(region.width * scale))
        height = max(1, round(region.height * scale))
        if all(edge.is_integer() for edge in box):
            x, y = int(box[0]), int(box[1])
            return square[y : y + height, x : x + width]
        picture = Image.fromarray(square)
        return np.array(picture.resize((width, height), Image.Resampling.BICUBIC, box))


def frame_region(
    width: int,
    height: int,
    region: Region | None = None,
    fit: Fit = "crop",
    *,
    name: str = "picture",
) -> Framing:
    """Find the square that the model sees, for a region of a picture.

    Convention:
        If the number of columns or rows to remove or to add is odd, the additional one is removed
        or added at the right or at the bottom, as in `media.framing`.

    Args:
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        region: the part to animate; None for the whole picture. It is clipped to the picture.
        fit: ``crop`` takes the largest centred square of the region, and the result shows only
            that. ``pad`` extends the region to a square, and the result shows the whole region. The
            model then also sees what surrounds the region; beyond the picture, edge pixels repeat.
        name: what a message calls the picture, for example its file.

    Returns:
        The region that the result shows, and the square around it.

    Raises:
        ConfigError: the region lies outside the picture, or `fit` is unknown.

    Example:
        >>> frame_region(64, 48).square
        Region(left=8, top=0, width=48, height=48)
        >>> frame_region(64, 48, Region(0, 0, 20, 48), "pad").square
        Region(left=-14, top=0, width=48, height=48)
    """
    if fit not in get_args(Fit):
        raise ConfigError(f"fit {fit}: unknown; use crop or pad")
    whole = Region(0, 0, width, height)
    region = whole if region is None else region.inside(width, height, name=name)
    if fit == "crop":
        side = min(region.width, region.height)
        left = region.left + (region.width - side) // 2
        square = Region(left, region.top + (region.height - side) // 2, side, side)
        return Framing(square, square)
    side = max(region.width, region.height)
    left = region.left - (side - region.width) // 2
    return Framing(region, Region(left, region.top - (side - region.height) // 2, side, side))
