"""Procedural backgrounds with smooth texture.

Scenes are functions of scene coordinates, so they look the same at any size. In scene coordinates x
points right and y points down; without camera motion the frame covers [0, 1]^2.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.colour import Colour, oklch

Scene = Literal["hills", "room", "lights", "clouds"]
SCENES: tuple[Scene, ...] = ("hills", "room", "lights", "clouds")

_MARGIN = 0.2
"""How far the rendered scene extends beyond each edge of the frame, as a share of its side."""


class Backdrop:
    """A scene, rendered once and larger than the frame, that a camera then views."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        """Sample and render a scene for square frames with a side of `size` pixels."""
        self.scene: Scene = SCENES[int(rng.integers(len(SCENES)))]
        self._size = size
        self._pixels = size * 1.25
        side = int(np.ceil((1 + 2 * _MARGIN) * self._pixels))
        axis = (np.arange(side, dtype=np.float32) + 0.5) / np.float32(self._pixels) - _MARGIN
        image = _render_scene(rng, self.scene, axis[None], axis[:, None], 1.0 / self._pixels)
        self._image = Image.fromarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))

    def view(
        self,
        camera: Floats,  # (2, 3), from scene coordinates to [0, 1]^2
    ) -> Floats:
        """Return the view of the camera, (H, W, 3) in [0, 1]."""
        back = np.linalg.inv(np.vstack([camera, [0, 0, 1]]))
        to_image = np.array(
            [[self._pixels, 0, _MARGIN * self._pixels], [0, self._pixels, _MARGIN * self._pixels]]
        )
        matrix = to_image @ np.vstack([back[:2], [0, 0, 1]])
        matrix[:, :2] /= self._size
        frame = self._image.transform(
            (self._size, self._size),
            Image.Transform.AFFINE,
            tuple(matrix.ravel().tolist()),
            Image.Resampling.BILINEAR,
        )
        return np.asarray(frame, np.float32) / np.float32(255.0)


@dataclass(frozen=True)
class _Tints:
    """Related colours of one scene, pale for day or dark for night."""

    light: float
    chroma: float
    sky: float
    ground: float
    step: float

    def above(self, share: float) -> Colour:
        """Return a colour of the sky or wall; a larger share gives a stronger colour."""
        return oklch(self.light + self.step * share, self.chroma * (1 + 0.4 * share), self.sky)

    def below(self, share: float) -> Colour:
        """Return a colour of the ground; a larger share gives a stronger colour."""
        return oklch(self.light + self.step * share, self.chroma * (1 + 0.4 * share), self.ground)


def _sample_tints(rng: np.random.Generator) -> _Tints:
    kind = rng.random()
    chroma = rng.uniform(0.03, 0.055)
    if kind < 0.15:
        sky = rng.uniform(230, 300)
        return _Tints(rng.uniform(0.27, 0.32), chroma, sky, sky + rng.uniform(-40, 30), 0.07)
    light = rng.uniform(0.88, 0.95)
    if kind < 0.5:
        return _Tints(light, chroma, rng.uniform(195, 245), rng.uniform(95, 150), -0.1)
    sky = rng.uniform(0, 360)
    turn = float(rng.choice([-50.0, 30.0, 60.0, 110.0]))
    return _Tints(light, chroma, sky, sky + turn, -0.1)


def _render_scene(
    rng: np.random.Generator, scene: Scene, x: Floats, y: Floats, pixel: float
) -> Floats:
    tints = _sample_tints(rng)
    image = _blend(_fill(tints.above(0.0), x, y), tints.above(1.0), np.clip(0.8 * y + 0 * x, 0, 1))
    image = _blend(image, tints.below(0.9), 0.45 * _sample_noise(rng, x, y))
    floor = float(rng.uniform(0.68, 0.8))
    if scene == "hills":
        for number in range(3):
            level = floor - 0.22 + 0.15 * number + 0.05 * _sample_ripple(rng, x, 3.0)
            image = _blend(image, tints.below(0.7 + 0.6 * number), _cover_below(level, y, pixel))
    elif scene == "room":
        dots = 0.45 * _sample_spots(rng, x, y, pixel, (0.03, 0.06))
        image = _blend(image, tints.above(1.7), dots)
        image = _blend(image, tints.below(1.9), _cover_below(floor + 0 * x, y, pixel))
    elif scene == "lights":
        for share, soft in ((0.8, 0.02), (1.5, 0.02), (-0.5, 0.04)):
            spots = 0.6 * _sample_spots(rng, x, y, soft, (0.05, 0.15))
            image = _blend(image, tints.below(share), spots)
    else:
        cloud = tints.above(-0.5 if tints.step < 0 else 0.9)
        image = _blend(image, cloud, 0.85 * _sample_cloud_puffs(rng, x, y, pixel))
        level = floor + 0.08 + 0.03 * _sample_ripple(rng, x, 2.0)
        image = _blend(image, tints.below(1.5), _cover_below(level, y, pixel))
    return image


def _cover_below(level: Floats, y: Floats, pixel: float) -> Floats:
    """Return the coverage of the region below a line, (h, w) in [0, 1]."""
    return np.clip((y - level) / np.float32(pixel) + 0.5, 0, 1)


def _fill(colour: Colour, x: Floats, y: Floats) -> Floats:
    shape = (*np.broadcast_shapes(x.shape, y.shape), 3)
    return np.broadcast_to(np.asarray(colour, np.float32), shape).copy()


def _blend(image: Floats, colour: Colour, cover: Floats) -> Floats:
    share = np.asarray(cover, np.float32)[..., None]
    return np.asarray(image + share * (np.asarray(colour, np.float32) - image))


def _sample_ripple(rng: np.random.Generator, x: Floats, turns: float) -> Floats:
    waves = [
        size * np.sin(2 * np.pi * turns * rate * x + rng.uniform(0, 6.3))
        for size, rate in ((0.6, rng.uniform(0.2, 0.4)), (0.4, rng.uniform(0.5, 0.9)))
    ]
    return np.asarray(waves[0] + waves[1], np.float32)


def _sample_noise(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    """Return a sum of smooth waves in random directions, (h, w) in [0, 1]."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for rate in (1.0, 1.7, 2.6, 3.7):
        angle, start = rng.uniform(0, 2 * np.pi, 2)
        along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
        total += np.sin(2 * np.pi * rate * along + start) / np.float32(rate**0.5)
    return np.asarray(np.clip(0.5 + 0.3 * total, 0, 1))


def _sample_spots(
    rng: np.random.Generator, x: Floats, y: Floats, soft: float, radii: tuple[float, float]
) -> Floats:
    cover = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    low, high = (-0.1, -0.1, radii[0]), (1.1, 1.1, radii[1])
    for cx, cy, radius in rng.uniform(low, high, (12, 3)).tolist():
        distance = np.sqrt((x - cx) ** 2 + (y - cy) ** 2) - radius
        cover = np.maximum(cover, np.clip(0.5 - distance / soft, 0, 1))
    return cover


def _sample_cloud_puffs(rng: np.random.Generator, x: Floats, y: Floats, pixel: float) -> Floats:
    cover = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for cx, cy, size in rng.uniform((-0.1, 0.0, 0.07), (1.1, 0.5, 0.12), (6, 3)).tolist():
        for shift, share in ((-1.1, 0.6), (0.0, 1.0), (1.0, 0.7)):
            dx, dy = x - cx - shift * size, y - cy + (share - 0.6) * 0.5 * size
            distance = np.sqrt(dx * dx + dy * dy) - share * size
            cover = np.maximum(cover, np.clip(0.5 - distance / (2 * pixel), 0, 1))
    return cover
