"""Conversion of a posed skeleton into layers of shapes, back to front."""

from dataclasses import dataclass, replace

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.bodies import LEGS, SIDES, TAIL_BONES
from cpabmm_core.puppets.canvas import Fill, Layer
from cpabmm_core.puppets.face import Head, Part, ear_parts, face_parts, flat_fill, hair_parts
from cpabmm_core.puppets.hats import hat_parts
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Point
from cpabmm_core.puppets.texture import Texture

_OUTLINE = 0.0125
_FAR_SHADE = 0.26


@dataclass(frozen=True)
class PosedPuppet:
    """A character in one frame: its bones in pixels, with depths in body units."""

    identity: Identity
    starts: dict[str, Point]
    ends: dict[str, Point]
    depths: dict[str, tuple[float, float]]
    rotations: dict[str, Floats]
    unit: float

    def layers(self) -> list[Layer]:
        """Return the layers, farthest first."""
        return (
            _biped_layers(self) if self.identity.body_plan == "biped" else _quadruped_layers(self)
        )

    def depth(self, *bones: str) -> float:
        """Return the mean depth of the starts and ends of some bones."""
        return float(np.mean([self.depths[bone] for bone in bones]))

    def limb(self, bone: str, first: float, last: float, length: float | None = None) -> Capsule:
        """Return the capsule of a bone, given its end radii and true length in body units."""
        true_length = None if length is None else length * self.unit
        radii = first * self.unit, last * self.unit
        return Capsule(self.starts[bone], self.ends[bone], *radii, true_length)

    def layer(self, name: str, parts: list[Part], fade: tuple[Point, float] | None = None) -> Layer:
        """Return a layer with the outline of this character."""
        width = _OUTLINE * self.unit
        return Layer(name, tuple(parts), self.identity.colours["outline"], width, fade)

    def brightness(self, bone: str) -> float:
        """Return 1 for a limb on the near side and less for one on the far side."""
        remoteness = (self.depths[bone][0] - self.depths["pelvis"][0]) / 0.1
        return 1.0 - _FAR_SHADE * float(np.clip(remoteness, 0.0, 1.0))


def _coat(puppet: PosedPuppet, brightness: float = 1.0) -> Fill:
    return Fill(puppet.identity.coat, brightness=brightness)


def _head_parts(puppet: PosedPuppet) -> list[Part]:
    identity, size = puppet.identity, puppet.identity.proportions
    radii = size["head_width"] * puppet.unit, size["head_height"] * puppet.unit
    head = Head(puppet.ends["head"], *radii, puppet.rotations["head"], puppet.unit)
    ears_behind, ears_before = ear_parts(head, identity)
    hair_behind, hair_before = hair_parts(head, identity)
    ball = Ellipse(head.centre, head.radius_x, head.radius_y, head.right)
    skin = Fill(Texture(identity.coat.first, identity.coat.second), 0.1)
    return [
        *hair_behind,
        *ears_behind,
        (ball, skin),
        *face_parts(head, identity),
        *hair_before,
        *ears_before,
        *hat_parts(head, identity),
    ]


def _tail_layer(puppet: PosedPuppet) -> Layer:
    size = puppet.identity.proportions
    step = size["tail"] / 3
    fill = _coat(puppet)
    parts: list[Part] = [
        (puppet.limb(bone, size["tail_radius"], size["tail_radius"], step), fill)
        for bone in TAIL_BONES
    ]
    return puppet.layer("tail", parts)


def _arm_layer(puppet: PosedPuppet, side: str) -> Layer:
    identity, size = puppet.identity, puppet.identity.proportions
    bones = f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"
    shade = puppet.brightness(bones[0])
    bare = _coat(puppet, shade)
    sleeve = Fill(identity.top, brightness=shade) if identity.dressed else bare
    radius, hand = size["arm_radius"], size["hand_radius"]
    upper = puppet.limb(bones[0], 1.1 * radius, radius, size["upper_arm"])
    lower = puppet.limb(bones[1], radius, 0.85 * radius, size["forearm"])
    tip = puppet.limb(bones[2], hand, hand)
    parts: list[Part] = [
        (tip, bare),
        (lower, sleeve if identity.long_sleeves else bare),
        (upper, sleeve),
    ]
    fade = puppet.starts[bones[0]], 1.6 * radius * puppet.unit
    return puppet.layer(f"{side}_arm", parts, fade)


def _leg_layer(puppet: PosedPuppet, side: str) -> Layer:
    identity, size = puppet.identity, puppet.identity.proportions
    bones = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    shade = puppet.brightness(bones[0])
    bare = _coat(puppet, shade)
    trousers = Fill(identity.bottom, brightness=shade) if identity.dressed else bare
    colour = identity.colours["shoes"] if identity.dressed else identity.colours["pale"]
    shoe = Fill(Texture(colour, colour), brightness=shade)
    radius, foot = size["leg_radius"], size["foot_radius"]
    parts: list[Part] = [
        (
            puppet.limb(bones[1], radius, 0.85 * radius, size["shin"]),
            trousers if identity.long_trousers else bare,
        ),
        (puppet.limb(bones[0], 1.25 * radius, radius, size["thigh"]), trousers),
        (puppet.limb(bones[2], foot, 0.9 * foot), shoe),
    ]
    return puppet.layer(f"{side}_leg", parts)


def _biped_torso(puppet: PosedPuppet) -> Layer:
    identity, size = puppet.identity, puppet.identity.proportions
    turn = puppet.rotations["spine"]
    # The depth of a trunk is three quarters of its width.
    width = float(np.hypot(turn[0, 0], 0.75 * turn[0, 2]))
    chest, hip = size["chest_radius"] * width, size["pelvis_radius"] * width
    top, bottom = puppet.ends["spine"], puppet.starts["spine"]
    unit, length = puppet.unit, size["torso"] * puppet.unit
    neck = Capsule(top, puppet.ends["neck"], 0.05 * unit, 0.05 * unit)
    trunk = Capsule(top, bottom, chest * unit, hip * unit, length)
    parts: list[Part] = [(neck, _coat(puppet))]
    if identity.dressed:
        hem = bottom + 0.22 * (top - bottom)
        shirt = Capsule(top, hem, chest * unit, (0.2 * chest + 0.8 * hip) * unit, 0.78 * length)
        parts += [(trunk, Fill(identity.bottom)), (shirt, Fill(identity.top))]
    else:
        middle = bottom + 0.35 * (top - bottom) - turn[:2, 2] * 0.5 * chest * unit
        facing = max(float(turn[2, 2]), 0.3)
        belly = Ellipse(middle, 0.68 * hip * facing * unit, 0.85 * hip * unit)
        parts += [(trunk, _coat(puppet)), (belly, flat_fill(identity.colours["pale"], 0.08))]
    if identity.scarf:
        across = 0.62 * chest * unit * np.array([1.0, 0.0])
        knot = top - np.array([0.0, 0.62 * chest * unit])
        scarf = Capsule(knot - across, knot + across, 0.042 * unit, 0.042 * unit)
        parts.append((scarf, flat_fill(identity.colours["scarf"], 0.14)))
    return puppet.layer("torso", parts)


def _biped_layers(puppet: PosedPuppet) -> list[Layer]:
    arms = []
    for side, _ in SIDES:
        depth = puppet.depth(f"{side}_upper_arm", f"{side}_forearm")
        arms.append((depth - puppet.depths["spine"][1], _arm_layer(puppet, side)))
    arms.sort(key=lambda pair: -pair[0])
    legs = [
        (puppet.depth(f"{side}_thigh", f"{side}_shin"), _leg_layer(puppet, side))
        for side, _ in SIDES
    ]
    legs.sort(key=lambda pair: -pair[0])
    torso = _biped_torso(puppet)
    return [
        *([_tail_layer(puppet)] if puppet.identity.tail else []),
        *(layer for depth, layer in arms if depth > 0.04),
        torso,
        *(layer for _, layer in legs),
        # Composite the torso again without its outline, which would separate it from the legs.
        replace(torso, outline_width=0.0),
        puppet.layer("head", _head_parts(puppet)),
        *(layer for depth, layer in arms if depth <= 0.04),
    ]


def _quadruped_leg(puppet: PosedPuppet, leg: str) -> Layer:
    size = puppet.identity.proportions
    bones = f"{leg}_upper", f"{leg}_lower", f"{leg}_foot"
    fill = _coat(puppet, puppet.brightness(bones[0]))
    pale = Texture(puppet.identity.colours["pale"], puppet.identity.colours["pale"])
    radius, foot = size["leg_radius"], size["foot_radius"]
    thigh = 1.75 * radius if leg.startswith("hind") else 1.4 * radius
    half = size["upper_leg"]
    parts: list[Part] = [
        (puppet.limb(bones[2], foot, foot), Fill(pale, brightness=fill.brightness)),
        (puppet.limb(bones[1], radius, 0.85 * radius, half), fill),
        (puppet.limb(bones[0], thigh, radius, half), fill),
    ]
    return puppet.layer(f"{leg}_leg", parts, (puppet.starts[bones[0]], 2.6 * radius * puppet.unit))


def _quadruped_layers(puppet: PosedPuppet) -> list[Layer]:
    identity, size = puppet.identity, puppet.identity.proportions
    legs = [(puppet.depths[f"{leg}_upper"][0], _quadruped_leg(puppet, leg)) for leg, _, _ in LEGS]
    legs.sort(key=lambda pair: -pair[0])
    middle = puppet.depths["pelvis"][0]
    chest, rump = size["chest_radius"] * puppet.unit, size["pelvis_radius"] * puppet.unit
    front, back = puppet.ends["spine"], puppet.ends["rump"]
    trunk = Capsule(front, back, chest, rump, size["torso"] * puppet.unit)
    root = puppet.starts["neck"]
    radius = size["neck_radius"]
    neck = puppet.limb("neck", 1.25 * radius, 0.85 * radius, size["neck"])
    parts: list[Part] = [(trunk, _coat(puppet)), (neck, _coat(puppet))]
    if identity.scarf:
        collar = root + 0.62 * (puppet.ends["neck"] - root)
        along = puppet.ends["neck"] - root
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        across = across * 0.75 * radius * puppet.unit
        thick = 0.03 * puppet.unit
        band = Capsule(collar - across, collar + across, thick, thick)
        parts.append((band, flat_fill(identity.colours["scarf"], 0.14)))
    return [
        *(layer for depth, layer in legs if depth > middle),
        _tail_layer(puppet),
        puppet.layer("torso", parts),
        *(layer for depth, layer in legs if depth <= middle),
        puppet.layer("head", _head_parts(puppet)),
    ]
