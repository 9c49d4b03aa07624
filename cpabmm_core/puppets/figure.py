"""From a posed skeleton to layers of shapes, back to front."""

from dataclasses import dataclass, replace

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.bodies import LEGS, SIDES, TAIL_BONES
from cpabmm_core.puppets.canvas import Layer, Paint
from cpabmm_core.puppets.face import Head, Part, ear_parts, face_parts, flat, hair_parts
from cpabmm_core.puppets.hats import hat_parts
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Point
from cpabmm_core.puppets.texture import Texture

_OUTLINE = 0.0125
_FAR_SHADE = 0.26


@dataclass(frozen=True)
class Figure:
    """One character in one frame: its bones in pixels, with depth in body units."""

    who: Identity
    starts: dict[str, Point]
    ends: dict[str, Point]
    depths: dict[str, tuple[float, float]]
    rotations: dict[str, Floats]
    unit: float

    def layers(self) -> list[Layer]:
        """Return the layers, the farthest first."""
        return _biped_layers(self) if self.who.body_plan == "biped" else _quadruped_layers(self)

    def depth(self, *bones: str) -> float:
        """Return the mean depth of some bones."""
        return float(np.mean([self.depths[bone] for bone in bones]))

    def limb(self, bone: str, first: float, last: float, length: float | None = None) -> Capsule:
        """Return the capsule of a bone; radii and length are in body units."""
        true_length = None if length is None else length * self.unit
        radii = first * self.unit, last * self.unit
        return Capsule(self.starts[bone], self.ends[bone], *radii, true_length)

    def layer(self, name: str, parts: list[Part], fade: tuple[Point, float] | None = None) -> Layer:
        """Return a layer with this character's outline."""
        width = _OUTLINE * self.unit
        return Layer(name, tuple(parts), self.who.colours["outline"], width, fade)

    def brightness(self, bone: str) -> float:
        """Return 1 for limbs on the near side and less for those on the far side."""
        nearness = (self.depths[bone][0] - self.depths["pelvis"][0]) / 0.1
        return 1.0 - _FAR_SHADE * float(np.clip(nearness, 0.0, 1.0))


def _coat(figure: Figure, brightness: float = 1.0) -> Paint:
    return Paint(figure.who.coat, brightness=brightness)


def _head_parts(figure: Figure) -> list[Part]:
    who, size = figure.who, figure.who.proportions
    radii = size["head_width"] * figure.unit, size["head_height"] * figure.unit
    head = Head(figure.ends["head"], *radii, figure.rotations["head"], figure.unit)
    ears_behind, ears_before = ear_parts(head, who)
    hair_behind, hair_before = hair_parts(head, who)
    ball = Ellipse(head.centre, head.radius_x, head.radius_y, head.right)
    skin = Paint(Texture(who.coat.first, who.coat.second), 0.1)
    return [
        *hair_behind,
        *ears_behind,
        (ball, skin),
        *face_parts(head, who),
        *hair_before,
        *ears_before,
        *hat_parts(head, who),
    ]


def _tail_layer(figure: Figure) -> Layer:
    size = figure.who.proportions
    step = size["tail"] / 3
    paint = _coat(figure)
    parts: list[Part] = [
        (figure.limb(bone, size["tail_radius"], size["tail_radius"], step), paint)
        for bone in TAIL_BONES
    ]
    return figure.layer("tail", parts)


def _arm_layer(figure: Figure, side: str) -> Layer:
    who, size = figure.who, figure.who.proportions
    bones = f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"
    shade = figure.brightness(bones[0])
    bare = _coat(figure, shade)
    sleeve = Paint(who.top, brightness=shade) if who.dressed else bare
    radius, hand = size["arm_radius"], size["hand_radius"]
    upper = figure.limb(bones[0], 1.1 * radius, radius, size["upper_arm"])
    lower = figure.limb(bones[1], radius, 0.85 * radius, size["forearm"])
    tip = figure.limb(bones[2], hand, hand)
    parts: list[Part] = [
        (tip, bare),
        (lower, sleeve if who.long_sleeves else bare),
        (upper, sleeve),
    ]
    fade = figure.starts[bones[0]], 1.6 * radius * figure.unit
    return figure.layer(f"{side}_arm", parts, fade)


def _leg_layer(figure: Figure, side: str) -> Layer:
    who, size = figure.who, figure.who.proportions
    bones = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    shade = figure.brightness(bones[0])
    bare = _coat(figure, shade)
    trousers = Paint(who.bottom, brightness=shade) if who.dressed else bare
    colour = who.colours["shoes"] if who.dressed else who.colours["pale"]
    shoe = Paint(Texture(colour, colour), brightness=shade)
    radius, foot = size["leg_radius"], size["foot_radius"]
    parts: list[Part] = [
        (
            figure.limb(bones[1], radius, 0.85 * radius, size["shin"]),
            trousers if who.long_trousers else bare,
        ),
        (figure.limb(bones[0], 1.25 * radius, radius, size["thigh"]), trousers),
        (figure.limb(bones[2], foot, 0.9 * foot), shoe),
    ]
    return figure.layer(f"{side}_leg", parts)


def _biped_torso(figure: Figure) -> Layer:
    who, size = figure.who, figure.who.proportions
    turn = figure.rotations["spine"]
    # A trunk is three quarters as deep as it is wide.
    width = float(np.hypot(turn[0, 0], 0.75 * turn[0, 2]))
    chest, hip = size["chest_radius"] * width, size["pelvis_radius"] * width
    top, bottom = figure.ends["spine"], figure.starts["spine"]
    unit, length = figure.unit, size["torso"] * figure.unit
    neck = Capsule(top, figure.ends["neck"], 0.05 * unit, 0.05 * unit)
    trunk = Capsule(top, bottom, chest * unit, hip * unit, length)
    parts: list[Part] = [(neck, _coat(figure))]
    if who.dressed:
        hem = bottom + 0.22 * (top - bottom)
        shirt = Capsule(top, hem, chest * unit, (0.2 * chest + 0.8 * hip) * unit, 0.78 * length)
        parts += [(trunk, Paint(who.bottom)), (shirt, Paint(who.top))]
    else:
        middle = bottom + 0.35 * (top - bottom) - turn[:2, 2] * 0.5 * chest * unit
        facing = max(float(turn[2, 2]), 0.3)
        belly = Ellipse(middle, 0.68 * hip * facing * unit, 0.85 * hip * unit)
        parts += [(trunk, _coat(figure)), (belly, flat(who.colours["pale"], 0.08))]
    if who.scarf:
        across = 0.62 * chest * unit * np.array([1.0, 0.0])
        knot = top - np.array([0.0, 0.62 * chest * unit])
        scarf = Capsule(knot - across, knot + across, 0.042 * unit, 0.042 * unit)
        parts.append((scarf, flat(who.colours["scarf"], 0.14)))
    return figure.layer("torso", parts)


def _biped_layers(figure: Figure) -> list[Layer]:
    arms = []
    for side, _ in SIDES:
        depth = figure.depth(f"{side}_upper_arm", f"{side}_forearm")
        arms.append((depth - figure.depths["spine"][1], _arm_layer(figure, side)))
    arms.sort(key=lambda pair: -pair[0])
    legs = [
        (figure.depth(f"{side}_thigh", f"{side}_shin"), _leg_layer(figure, side))
        for side, _ in SIDES
    ]
    legs.sort(key=lambda pair: -pair[0])
    torso = _biped_torso(figure)
    return [
        *([_tail_layer(figure)] if figure.who.tail else []),
        *(layer for depth, layer in arms if depth > 0.04),
        torso,
        *(layer for _, layer in legs),
        # Once more without its outline, which would separate the legs from the trunk.
        replace(torso, outline_width=0.0),
        figure.layer("head", _head_parts(figure)),
        *(layer for depth, layer in arms if depth <= 0.04),
    ]


def _quadruped_leg(figure: Figure, leg: str) -> Layer:
    size = figure.who.proportions
    bones = f"{leg}_upper", f"{leg}_lower", f"{leg}_foot"
    paint = _coat(figure, figure.brightness(bones[0]))
    pale = Texture(figure.who.colours["pale"], figure.who.colours["pale"])
    radius, foot = size["leg_radius"], size["foot_radius"]
    thigh = 1.75 * radius if leg.startswith("hind") else 1.4 * radius
    half = size["upper_leg"]
    parts: list[Part] = [
        (figure.limb(bones[2], foot, foot), Paint(pale, brightness=paint.brightness)),
        (figure.limb(bones[1], radius, 0.85 * radius, half), paint),
        (figure.limb(bones[0], thigh, radius, half), paint),
    ]
    return figure.layer(f"{leg}_leg", parts, (figure.starts[bones[0]], 2.6 * radius * figure.unit))


def _quadruped_layers(figure: Figure) -> list[Layer]:
    who, size = figure.who, figure.who.proportions
    legs = [(figure.depths[f"{leg}_upper"][0], _quadruped_leg(figure, leg)) for leg, _, _ in LEGS]
    legs.sort(key=lambda pair: -pair[0])
    middle = figure.depths["pelvis"][0]
    chest, rump = size["chest_radius"] * figure.unit, size["pelvis_radius"] * figure.unit
    front, back = figure.ends["spine"], figure.ends["rump"]
    trunk = Capsule(front, back, chest, rump, size["torso"] * figure.unit)
    root = figure.starts["neck"]
    radius = size["neck_radius"]
    neck = figure.limb("neck", 1.25 * radius, 0.85 * radius, size["neck"])
    parts: list[Part] = [(trunk, _coat(figure)), (neck, _coat(figure))]
    if who.scarf:
        collar = root + 0.62 * (figure.ends["neck"] - root)
        along = figure.ends["neck"] - root
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        across = across * 0.75 * radius * figure.unit
        thick = 0.03 * figure.unit
        band = Capsule(collar - across, collar + across, thick, thick)
        parts.append((band, flat(who.colours["scarf"], 0.14)))
    return [
        *(layer for depth, layer in legs if depth > middle),
        _tail_layer(figure),
        figure.layer("torso", parts),
        *(layer for depth, layer in legs if depth <= middle),
        figure.layer("head", _head_parts(figure)),
    ]
