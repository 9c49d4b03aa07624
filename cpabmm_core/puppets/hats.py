"""Hats, drawn upright in the frame of the head."""

from collections.abc import Callable

import numpy as np

from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.canvas import Paint
from cpabmm_core.puppets.face import Head, Part, flat
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Point, Polygon
from cpabmm_core.puppets.texture import Pattern, Texture


class _Frame:
    """Coordinates in head radii: x to the right of the head, y up from its centre."""

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


def _cap(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    sideways = float(-frame.head.turn[0, 2])
    start = frame.at(0.1 * sideways, 0.42)
    end = frame.at(1.15 * sideways, 0.34 - 0.06 * (1 - abs(sideways)))
    thick = 0.12 * frame.size
    peak = Capsule(start, end, thick, thick)
    front = frame.band(0.55 * (1 - 0.7 * abs(sideways)), 0.36, 0.12)
    button = Ellipse(frame.at(0, 1.2), 0.1 * frame.size, 0.1 * frame.size)
    return [(button, accent), (frame.dome(1.05, 0.82, 0.4), hat), (peak, accent), (front, accent)]


def _top_hat(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    crown = frame.polygon((-0.55, 1.65), (0.55, 1.65), (0.5, 0.72), (-0.5, 0.72))
    ribbon = frame.polygon((-0.52, 1.0), (0.52, 1.0), (0.5, 0.76), (-0.5, 0.76))
    return [(crown, hat), (ribbon, accent), (frame.band(0.82, 0.7, 0.08), hat)]


def _beanie(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    bobble = Ellipse(frame.at(0, 1.34), 0.24 * frame.size, 0.24 * frame.size)
    return [
        (bobble, accent),
        (frame.dome(1.04, 0.9, 0.38), hat),
        (frame.band(0.9, 0.4, 0.15), accent),
    ]


def _party(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    cone = frame.polygon((0.0, 1.85), (0.52, 0.78), (-0.52, 0.78))
    bobble = Ellipse(frame.at(0, 1.88), 0.15 * frame.size, 0.15 * frame.size)
    return [(cone, hat), (bobble, accent)]


def _bowler(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    ribbon = frame.band(0.66, 0.72, 0.1)
    return [
        (frame.dome(0.76, 0.72, 0.62), hat),
        (ribbon, accent),
        (frame.band(1.02, 0.58, 0.09), hat),
    ]


def _crown(frame: _Frame, hat: Paint, accent: Paint) -> list[Part]:
    spikes = frame.polygon(
        (-0.62, 1.35),
        (-0.3, 1.0),
        (0.0, 1.45),
        (0.3, 1.0),
        (0.62, 1.35),
        (0.54, 0.68),
        (-0.54, 0.68),
    )
    gem = Ellipse(frame.at(0, 0.86), 0.1 * frame.size, 0.1 * frame.size)
    return [(spikes, flat((0.98, 0.79, 0.25), 0.15)), (gem, accent)]


_MAKERS: dict[str, Callable[[_Frame, Paint, Paint], list[Part]]] = {
    "cap": _cap,
    "top_hat": _top_hat,
    "beanie": _beanie,
    "party": _party,
    "bowler": _bowler,
    "crown": _crown,
}


def hat_parts(head: Head, who: Identity) -> list[Part]:
    """Return the parts of the character's hat, bottom to top."""
    if who.hat == "none":
        return []
    first, second = who.colours["hat"], who.colours["hat_accent"]
    pattern: Pattern = "rings" if who.hat == "party" else "plain"
    texture = Texture(first, second, pattern, 0.07)
    return _MAKERS[who.hat](_Frame(head), Paint(texture, 0.16), flat(second, 0.1))
