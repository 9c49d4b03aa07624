"""Back-to-front compositing of shapes, anti-aliased by means of their signed distances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.colour import Colour
from cpabmm_core.puppets.shapes import Field, Point, Shape
from cpabmm_core.puppets.texture import Texture

_LIGHT = (-0.5, -0.8)
"""Direction towards the light in the image plane, (x, y)."""


@dataclass(frozen=True)
class Fill:
    """How a shape is filled: its texture, the strength of its shading and its brightness."""

    texture: Texture
    roundness: float = 0.16
    brightness: float = 1.0


@dataclass(frozen=True)
class Layer:
    """Shapes that share one outline, in the order in which they are composited.

    `fade` is a point and a radius within which the outline vanishes, so that no line separates a
    limb from the body.
    """

    name: str
    parts: tuple[tuple[Shape, Fill], ...]
    outline: Colour
    outline_width: float
    fade: tuple[Point, float] | None = None


class Canvas:
    """An image under composition, with the number of the topmost layer at each pixel."""

    def __init__(
        self,
        background: Floats,  # (H, W, 3) in [0, 1]
        unit: float,
    ) -> None:
        """Start from `background`, which is modified; one body unit is `unit` pixels."""
        self.image = background
        height, width = background.shape[:2]
        self.top: NDArray[np.int16] = np.full((height, width), -1, np.int16)
        self._unit = unit
        self._x = np.arange(width, dtype=np.float32)[None]
        self._y = np.arange(height, dtype=np.float32)[:, None]

    def add(self, layer: Layer, number: int) -> None:
        """Composite a layer over the image and record its number where it covers a pixel."""
        fields = []
        for shape, fill in layer.parts:
            window = self._window(shape, layer.outline_width)
            if window is not None:
                rows, columns = window
                field = shape.field(self._x[:, columns], self._y[rows])
                fields.append((window, field, fill))
        if layer.outline_width > 0:
            self._composite_outline(
                layer, [(window, field.distance) for window, field, _ in fields]
            )
        for window, field, fill in fields:
            coverage = np.clip(0.5 - field.distance, 0.0, 1.0)
            self._blend(window, self._colours(field, fill), coverage)
            self.top[window][coverage > 0.5] = number

    def shade(
        self,
        shape: Shape,
        strength: float,
        softness: float,
    ) -> None:
        """Darken the image within a shape, with an edge `softness` pixels wide."""
        window = self._window(shape, softness)
        if window is not None:
            rows, columns = window
            distance = shape.field(self._x[:, columns], self._y[rows]).distance
            coverage = np.clip(0.5 - distance / softness, 0.0, 1.0)
            coverage = coverage * coverage * (3.0 - 2.0 * coverage)
            self.image[window] *= (1.0 - strength * coverage)[..., None]

    def to_bytes(self) -> NDArray[np.uint8]:
        """Return the image as bytes, (H, W, 3)."""
        return (np.clip(self.image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)

    def _window(self, shape: Shape, margin: float) -> tuple[slice, slice] | None:
        left, top, right, bottom = shape.bounds()
        height, width = self.image.shape[:2]
        low_x, high_x = max(int(left - margin - 1), 0), min(int(right + margin + 3), width)
        low_y, high_y = max(int(top - margin - 1), 0), min(int(bottom + margin + 3), height)
        if low_x >= high_x or low_y >= high_y:
            return None
        return slice(low_y, high_y), slice(low_x, high_x)

    def _composite_outline(
        self, layer: Layer, fields: list[tuple[tuple[slice, slice], Floats]]
    ) -> None:
        nearest = np.full(self.top.shape, 1e6, np.float32)
        for window, distance in fields:
            np.minimum(nearest[window], distance, out=nearest[window])
        rows = slice(
            min((w[0].start for w, _ in fields), default=0),
            max((w[0].stop for w, _ in fields), default=0),
        )
        columns = slice(
            min((w[1].start for w, _ in fields), default=0),
            max((w[1].stop for w, _ in fields), default=0),
        )
        coverage = np.clip(layer.outline_width + 0.5 - nearest[rows, columns], 0.0, 1.0)
        if layer.fade is not None:
            (cx, cy), radius = layer.fade
            dx, dy = self._x[:, columns] - float(cx), self._y[rows] - float(cy)
            coverage *= np.clip(np.sqrt(dx * dx + dy * dy) / radius - 0.7, 0.0, 1.0)
        self._blend((rows, columns), np.asarray(layer.outline, np.float32), coverage)

    def _colours(self, field: Field, fill: Fill) -> Floats:
        """Return texture times shading, (h, w, 3), or (3,) if both are constant."""
        texture = fill.texture
        colours = np.asarray(texture.first, np.float32) * np.float32(fill.brightness)
        scale = 1.0 / self._unit
        share = texture.coverage(field.along * scale, field.across * scale, scale)
        if share is not None:
            second = np.asarray(texture.second, np.float32) * np.float32(fill.brightness)
            colours = colours + share[..., None] * (second - colours)
        if fill.roundness:
            light = field.normal_x * _LIGHT[0] + field.normal_y * _LIGHT[1]
            colours = colours * (1.0 + fill.roundness * light)[..., None]
        return np.asarray(colours, np.float32)

    def _blend(
        self,
        window: tuple[slice, slice],
        colours: Floats,  # (h, w, 3) or (3,)
        coverage: Floats,  # (h, w)
    ) -> None:
        below = self.image[window]
        below += coverage[..., None] * (colours - below)
