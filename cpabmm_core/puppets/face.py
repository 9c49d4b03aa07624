"""Heads: ears, hair and facial features, placed on an ellipsoid that turns with the head."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.canvas import Fill
from cpabmm_core.puppets.colour import Colour
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Point, Polygon, Shape
from cpabmm_core.puppets.texture import Texture

Part = tuple[Shape, Fill]


def flat_fill(colour: Colour, roundness: float = 0.0) -> Fill:
    """Return a fill of one colour."""
    return Fill(Texture(colour, colour), roundness)


@dataclass(frozen=True)
class Head:
    """A head in the image: an ellipsoid rotated by `turn` and projected along z."""

    centre: Point  # (2,) pixels
    radius_x: float
    radius_y: float
    turn: Floats  # (3, 3)
    unit: float

    @property
    def right(self) -> tuple[float, float]:
        """The direction of the head's own x axis in the image, a unit vector."""
        up_x, up_y = self.up
        return -up_y, up_x

    @property
    def up(self) -> tuple[float, float]:
        """The direction of the top of the head in the image, a unit vector."""
        x, y = (float(value) for value in -self.turn[:2, 1])
        size = float(np.hypot(x, y))
        return x / size, y / size

    def place(self, x: float, y: float, z: float) -> tuple[Point, float]:
        """Project a direction in head coordinates, of any length, onto the ellipsoid.

        Returns:
            The point in pixels, and its depth from -1 (nearest to the viewer) to 1 (farthest).
        """
        direction = np.array([x, y, z]) / np.sqrt(x * x + y * y + z * z)
        turned = self.turn @ direction
        return self.centre + turned[:2] * (self.radius_x, self.radius_y), float(turned[2])

    def spot(self, direction: tuple[float, float, float], rx: float, ry: float) -> Ellipse | None:
        """Return an ellipse on the ellipsoid (radii in head radii); None if it faces away."""
        point, depth = self.place(*direction)
        if depth > -0.02:
            return None
        # Near the rim the ellipse gets narrower and moves inwards, within the outline of the head.
        offset = point - self.centre
        sideways = min(abs(float(offset[0])) / self.radius_x, 1.0)
        narrow = max(float(np.sqrt(1.0 - sideways * sideways)), 0.12)
        point = self.centre + offset * (1.0 - 0.12 * sideways * sideways)
        return Ellipse(point, rx * self.radius_x * narrow, ry * self.radius_y, self.right)


def ear_parts(head: Head, identity: Identity) -> tuple[list[Part], list[Part]]:
    """Return the parts of the ears behind and in front of the head."""
    behind: list[Part] = []
    before: list[Part] = []
    if identity.ears == "none":
        return behind, before
    coat = Fill(Texture(identity.coat.first, identity.coat.second), 0.14)
    inner = flat_fill(identity.colours["ear"])
    size = identity.proportions["ear"] * head.unit
    up = np.array(head.up)
    for side in (1.0, -1.0):
        root, _ = head.place(0.68 * side, -0.72, 0.05)
        out = root - head.centre
        away = float(np.hypot(*out))
        out = out / max(away, 1e-6)
        if identity.ears == "round":
            behind += [(Ellipse(root + 0.25 * size * out, size, size), coat)]
            behind += [(Ellipse(root + 0.3 * size * out, 0.58 * size, 0.58 * size), inner)]
        elif identity.ears == "pointed":
            across = np.array([-out[1], out[0]]) * max(min(away / head.radius_x, 1.0), 0.55)
            for scale, fill in ((1.0, coat), (0.58, inner)):
                base = root - 0.3 * size * out
                tip = base + (0.9 + 0.7 * scale) * size * (0.75 * out + 0.35 * up)
                wing = 0.8 * scale * size * across
                corners = np.array([base - wing, tip, base + wing])
                behind.append((Polygon(corners, 0.14 * size * scale), fill))
        elif identity.ears == "long":
            start, _ = head.place(0.42 * side, -0.9, 0.05)
            tip = start + 2.1 * size * (0.92 * up + 0.22 * out)
            behind += [(Capsule(start, tip, 0.5 * size, 0.42 * size), coat)]
            behind += [(Capsule(start, tip, 0.24 * size, 0.2 * size), inner)]
        else:
            start, depth = head.place(0.85 * side, -0.55, 0.1)
            tip = start + size * (0.45 * out - 1.5 * up)
            dark = flat_fill(identity.colours["skin_accent"], 0.14)
            part = (Capsule(start, tip, 0.4 * size, 0.52 * size), dark)
            (before if depth < 0.45 else behind).append(part)
    return behind, before


def hair_parts(head: Head, identity: Identity) -> tuple[list[Part], list[Part]]:
    """Return the parts of the hair behind and in front of the head."""
    if identity.hair == "none":
        return [], []
    fill = flat_fill(identity.colours["hair"], 0.2)
    facing = head.turn[:2, 2] * -1.0
    up = np.array(head.up)
    towards_face = 0.75 * facing - up
    towards_face = towards_face / float(np.hypot(*towards_face))
    edge = head.centre + up * 0.3 * head.radius_y + facing * 0.2 * head.radius_x
    top = Ellipse(
        head.centre + 0.03 * head.radius_y * up,
        1.09 * head.radius_x,
        1.09 * head.radius_y,
        head.right,
        (edge, towards_face),
    )
    behind: list[Part] = []
    if identity.hair == "bob":
        cut = head.centre - 0.66 * head.radius_y * up, -up
        centre = head.centre - 0.1 * head.radius_y * up - 0.1 * head.radius_x * facing
        radii = 1.2 * head.radius_x, 1.16 * head.radius_y
        behind.append((Ellipse(centre, *radii, head.right, cut), fill))
    return behind, [(top, fill)]


def _eye_parts(head: Head, identity: Identity) -> list[Part]:
    parts: list[Part] = []
    spread = 0.4 if identity.body_plan == "biped" else 0.62
    height = 0.02 if identity.body_plan == "biped" else -0.28
    white, dark = flat_fill((0.99, 0.99, 0.99)), flat_fill(identity.colours["eye"])
    for side in (1.0, -1.0):
        direction = (spread * side, height, -0.85)
        if identity.round_eyes:
            ball = head.spot(direction, 0.21, 0.25)
            pupil = head.spot((0.94 * spread * side, height + 0.04, -0.85), 0.12, 0.16)
            glint = head.spot((spread * side + 0.04, height - 0.06, -0.85), 0.045, 0.05)
            layers = ((ball, white), (pupil, dark), (glint, white))
        else:
            pupil = head.spot(direction, 0.12, 0.18)
            glint = head.spot((spread * side + 0.04, height - 0.08, -0.85), 0.05, 0.06)
            layers = ((pupil, dark), (glint, white), (None, white))
        parts += [(shape, fill) for shape, fill in layers if shape is not None]
    return parts


def _mouth_parts(head: Head, identity: Identity, low: float) -> list[Part]:
    arc = [(-0.24, low), (-0.1, low + 0.09), (0.1, low + 0.09), (0.24, low)]
    placed = [head.place(x, y, -0.9) for x, y in arc]
    fill = flat_fill(identity.colours["mouth"])
    thick = 0.045 * head.radius_y
    return [
        (Capsule(first[0], second[0], thick, thick), fill)
        for first, second in pairwise(placed)
        if max(first[1], second[1]) < -0.3
    ]


def _snout_parts(head: Head, identity: Identity) -> list[Part]:
    """Return the face of a four-legged character, whose muzzle protrudes from the head."""
    forward = (head.turn @ np.array([0.0, 0.28, -1.0]))[:2]
    tip = head.centre + forward * identity.proportions["muzzle"] * head.unit
    start = head.centre + 0.3 * (tip - head.centre)
    nose = tip + 0.3 * (tip - start) - np.array([0.0, 0.18 * head.radius_y])
    size = 0.2 * head.radius_y
    muzzle = Capsule(start, tip, 0.62 * head.radius_y, 0.42 * head.radius_y)
    return [
        (muzzle, flat_fill(identity.colours["pale"], 0.14)),
        *_eye_parts(head, identity),
        (Ellipse(nose, 1.1 * size, size), flat_fill(identity.colours["eye"], 0.2)),
    ]


def face_parts(head: Head, identity: Identity) -> list[Part]:
    """Return eyes, mouth and cheeks, and for animals also the muzzle and the nose."""
    if identity.body_plan == "quadruped":
        return _snout_parts(head, identity)
    human = identity.species == "child"
    spots: list[tuple[Ellipse | None, Fill]] = []
    if not human:
        muzzle, nose = flat_fill(identity.colours["pale"], 0.06), flat_fill(identity.colours["eye"])
        spots.append((head.spot((0.0, 0.42, -0.9), 0.46, 0.36), muzzle))
        spots.append((head.spot((0.0, 0.24, -0.95), 0.14, 0.1), nose))
    for side in (1.0, -1.0):
        cheek = head.spot((0.62 * side, 0.36, -0.7), 0.16, 0.12)
        spots.append((cheek, flat_fill(identity.colours["blush"])))
    return [
        *((shape, fill) for shape, fill in spots if shape is not None),
        *_eye_parts(head, identity),
        *_mouth_parts(head, identity, 0.42 if human else 0.5),
    ]
