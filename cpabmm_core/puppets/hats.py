"""Hats, built from shapes in the coordinates of the head."""

from collections.abc import Callable

import numpy as np

from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.canvas import Fill
from cpabmm_core.puppets.face import Head, Part, flat_fill
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Point, Polygon
from cpabmm_core.puppets.texture import Pattern, Texture


class _HeadAxes:
    """Head coordinates in head radii: x to the right of the head, y up from its centre."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.size = head.radius_x
        self._right = np.array(head.right)
        self._up = np.array(head.up)

    def at(self, x: float, y: float) -> Point:
        head = self.head
        return head.centre + x * head.radius_x * self._right + y * head.radius_y * self._up

    def band(self, width: float, y: float, thick: float) -> Capsule:
        radius = thick * self.size
        return Capsule(self.at(-width, y), self.at(width, y), radius, radius)

    def dome(self, width: float, height: float, y: float) -> Ellipse:
        size_x, size_y = width * self.head.radius_x, height * self.head.radius_y
        cut = (self.at(0, y), -self._up)
        return Ellipse(self.at(0, y), size_x, size_y, self.head.right, cut)

    def polygon(self, *corners: tuple[float, float], rounding: float = 0.04) -> Polygon:
        points = np.array([self.at(x, y) for x, y in corners])
        down = -float(self._up[0]), -float(self._up[1])
        return Polygon(points, rounding * self.size, down)


def _cap(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    sideways = float(-axes.head.turn[0, 2])
    start = axes.at(0.1 * sideways, 0.42)
    end = axes.at(1.15 * sideways, 0.34 - 0.06 * (1 - abs(sideways)))
    thick = 0.12 * axes.size
    peak = Capsule(start, end, thick, thick)
    front = axes.band(0.55 * (1 - 0.7 * abs(sideways)), 0.36, 0.12)
    button = Ellipse(axes.at(0, 1.2), 0.1 * axes.size, 0.1 * axes.size)
    return [(button, accent), (axes.dome(1.05, 0.82, 0.4), hat), (peak, accent), (front, accent)]


def _top_hat(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    crown = axes.polygon((-0.55, 1.65), (0.55, 1.65), (0.5, 0.72), (-0.5, 0.72))
    ribbon = axes.polygon((-0.52, 1.0), (0.52, 1.0), (0.5, 0.76), (-0.5, 0.76))
    return [(crown, hat), (ribbon, accent), (axes.band(0.82, 0.7, 0.08), hat)]


def _beanie(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    bobble = Ellipse(axes.at(0, 1.34), 0.24 * axes.size, 0.24 * axes.size)
    return [
        (bobble, accent),
        (axes.dome(1.04, 0.9, 0.38), hat),
        (axes.band(0.9, 0.4, 0.15), accent),
    ]


def _party(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    cone = axes.polygon((0.0, 1.85), (0.52, 0.78), (-0.52, 0.78))
    bobble = Ellipse(axes.at(0, 1.88), 0.15 * axes.size, 0.15 * axes.size)
    return [(cone, hat), (bobble, accent)]


def _bowler(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    ribbon = axes.band(0.66, 0.72, 0.1)
    return [
        (axes.dome(0.76, 0.72, 0.62), hat),
        (ribbon, accent),
        (axes.band(1.02, 0.58, 0.09), hat),
    ]


def _crown(axes: _HeadAxes, hat: Fill, accent: Fill) -> list[Part]:
    spikes = axes.polygon(
        (-0.62, 1.35),
        (-0.3, 1.0),
        (0.0, 1.45),
        (0.3, 1.0),
        (0.62, 1.35),
        (0.54, 0.68),
        (-0.54, 0.68),
    )
    gem = Ellipse(axes.at(0, 0.86), 0.1 * axes.size, 0.1 * axes.size)
    return [(spikes, flat_fill((0.98, 0.79, 0.25), 0.15)), (gem, accent)]


_MAKERS: dict[str, Callable[[_HeadAxes, Fill, Fill], list[Part]]] = {
    "cap": _cap,
    "top_hat": _top_hat,
    "beanie": _beanie,
    "party": _party,
    "bowler": _bowler,
    "crown": _crown,
}


def hat_parts(head: Head, identity: Identity) -> list[Part]:
    """Return the parts of the character's hat, in the order in which they are composited."""
    if identity.hat == "none":
        return []
    first, second = identity.colours["hat"], identity.colours["hat_accent"]
    pattern: Pattern = "rings" if identity.hat == "party" else "plain"
    texture = Texture(first, second, pattern, 0.07)
    return _MAKERS[identity.hat](_HeadAxes(head), Fill(texture, 0.16), flat_fill(second, 0.1))
