"""Who a character is: body plan, proportions, clothes or fur, face, hat and colours."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from cpabmm_core.puppets.colour import Colour, mix, oklch
from cpabmm_core.puppets.texture import Pattern, Texture

BodyPlan = Literal["biped", "quadruped"]
Hat = Literal["none", "cap", "top_hat", "beanie", "party", "bowler", "crown"]
HATS: tuple[Hat, ...] = ("none", "cap", "top_hat", "beanie", "party", "bowler", "crown")
Ears = Literal["none", "round", "pointed", "long", "floppy"]
Hair = Literal["none", "short", "bob"]
T = TypeVar("T")

CLOTHES_PATTERNS: tuple[Pattern, ...] = ("plain", "rings", "stripes", "dots", "checks", "gradient")
COAT_PATTERNS: tuple[Pattern, ...] = ("rings", "dots", "patches", "patches", "gradient")

_ANIMALS: dict[str, tuple[Ears, ...]] = {
    "bear": ("round",),
    "cat": ("pointed",),
    "rabbit": ("long",),
    "dog": ("floppy", "pointed"),
    "mouse": ("round",),
}


@dataclass(frozen=True)
class Identity:
    """Everything about a character that stays the same while it moves."""

    body_plan: BodyPlan
    species: str
    proportions: dict[str, float]
    colours: dict[str, Colour]
    top: Texture
    bottom: Texture
    coat: Texture
    hat: Hat
    ears: Ears
    hair: Hair
    dressed: bool
    scarf: bool
    long_sleeves: bool
    long_trousers: bool
    round_eyes: bool
    tail: bool

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain values."""
        return asdict(self)


def draw_identity(rng: np.random.Generator, body_plan: BodyPlan | None = None) -> Identity:
    """Draw a character, two-legged twice as often as four-legged unless told which."""
    plan: BodyPlan = "biped" if rng.random() < 0.67 else "quadruped"
    plan = body_plan or plan
    human = plan == "biped" and rng.random() < 0.5
    species = "child" if human else str(rng.choice(list(_ANIMALS)))
    colours = _draw_colours(rng, human)
    ears: Ears = "none" if human else _pick(rng, _ANIMALS[species])
    hats = HATS if ears in ("none", "floppy") else ("none", "none", "party", "top_hat", "crown")
    hat = _pick(rng, hats)
    clothes = [
        _draw_texture(rng, colours[name], colours[f"{name}_accent"]) for name in ("top", "bottom")
    ]
    coat = Texture(colours["skin"], colours["skin_accent"])
    if not human and rng.random() < 0.6:
        pattern = _pick(rng, COAT_PATTERNS)
        coat = Texture(colours["skin"], colours["skin_accent"], pattern, rng.uniform(0.1, 0.16))
    return Identity(
        body_plan=plan,
        species=species,
        proportions=_biped_sizes(rng, species)
        if plan == "biped"
        else _quadruped_sizes(rng, species),
        colours=colours,
        top=clothes[0],
        bottom=clothes[1],
        coat=coat,
        hat=hat,
        ears=ears,
        hair=_pick(rng, ("short", "bob")) if human else "none",
        dressed=human or (plan == "biped" and rng.random() < 0.6),
        scarf=bool(rng.random() < 0.3),
        long_sleeves=bool(rng.random() < 0.6),
        long_trousers=bool(rng.random() < 0.65),
        round_eyes=bool(rng.random() < 0.55),
        tail=not human,
    )


def _pick(rng: np.random.Generator, options: tuple[T, ...]) -> T:
    return options[int(rng.integers(len(options)))]


def _draw_texture(rng: np.random.Generator, first: Colour, second: Colour) -> Texture:
    pattern = _pick(rng, CLOTHES_PATTERNS)
    return Texture(first, second, pattern, round(float(rng.uniform(0.07, 0.11)), 4))


def _draw_colours(rng: np.random.Generator, human: bool) -> dict[str, Colour]:
    hue = rng.uniform(0, 360)
    bottom_hue = hue + rng.choice([90.0, 150.0, 180.0, 210.0, 270.0]) + rng.uniform(-20, 20)
    hat_hue = hue + rng.choice([0.0, 120.0, 180.0, 240.0]) + rng.uniform(-20, 20)
    light, chroma = rng.uniform(0.54, 0.72), rng.uniform(0.13, 0.19)
    top = oklch(light, chroma, hue)
    bottom = oklch(rng.uniform(0.42, 0.56), rng.uniform(0.08, 0.15), bottom_hue)
    if human:
        skin_light = rng.uniform(0.6, 0.88)
        skin = oklch(skin_light, rng.uniform(0.05, 0.085), rng.uniform(48, 70))
    else:
        skin = _draw_fur(rng)
    white = oklch(0.96, 0.02, hue)
    hair_light = (skin_light if human else 0.7) - rng.uniform(0.2, 0.42)
    return {
        "top": top,
        "top_accent": mix(top, white, 0.85) if rng.random() < 0.6 else oklch(0.5, 0.14, hat_hue),
        "bottom": bottom,
        "bottom_accent": mix(bottom, white, 0.35)
        if rng.random() < 0.5
        else mix(bottom, (0, 0, 0), 0.3),
        "skin": skin,
        "skin_accent": mix(skin, white, 0.75)
        if rng.random() < 0.5
        else mix(skin, (0.1, 0.05, 0), 0.4),
        "pale": mix(skin, white, 0.7),
        "ear": mix(skin, oklch(0.75, 0.12, 10), 0.55),
        "hair": oklch(hair_light, rng.uniform(0.02, 0.12), rng.uniform(30, 90)),
        "shoes": oklch(rng.uniform(0.4, 0.8), rng.uniform(0.05, 0.17), hat_hue),
        "hat": oklch(rng.uniform(0.5, 0.72), rng.uniform(0.1, 0.19), hat_hue),
        "hat_accent": oklch(rng.uniform(0.8, 0.92), rng.uniform(0.08, 0.15), hat_hue + 150),
        "scarf": oklch(rng.uniform(0.55, 0.7), 0.18, hat_hue + 40),
        "outline": oklch(rng.uniform(0.2, 0.28), 0.05, hue),
        "eye": oklch(0.22, 0.05, hue),
        "mouth": oklch(0.36, 0.11, 20),
        "blush": oklch(0.74, 0.13, 18),
    }


def _draw_fur(rng: np.random.Generator) -> Colour:
    """Natural browns and greys, or any hue at all."""
    kind = rng.random()
    if kind < 0.45:
        return oklch(rng.uniform(0.55, 0.82), rng.uniform(0.06, 0.13), rng.uniform(45, 85))
    if kind < 0.6:
        return oklch(rng.uniform(0.6, 0.9), rng.uniform(0.0, 0.025), rng.uniform(0, 360))
    return oklch(rng.uniform(0.62, 0.8), rng.uniform(0.1, 0.16), rng.uniform(0, 360))


def _biped_sizes(rng: np.random.Generator, species: str) -> dict[str, float]:
    leg, arm = rng.uniform(0.32, 0.42), rng.uniform(0.31, 0.38)
    head = rng.uniform(0.14, 0.175)
    chest = rng.uniform(0.095, 0.125)
    limb = rng.uniform(0.042, 0.056)
    sizes = {
        "torso": rng.uniform(0.2, 0.26),
        "neck": 0.85 * chest + 0.02,
        "head_width": head * rng.uniform(1.0, 1.12),
        "head_height": head,
        "chest_radius": chest,
        "pelvis_radius": chest * rng.uniform(0.85, 1.2),
        "shoulder_width": chest * 0.92,
        "hip_width": chest * 0.55,
        "upper_arm": 0.46 * arm,
        "forearm": 0.43 * arm,
        "hand": 0.11 * arm,
        "thigh": 0.48 * leg,
        "shin": 0.52 * leg,
        "foot": rng.uniform(0.07, 0.1),
        "arm_radius": limb,
        "leg_radius": limb * rng.uniform(1.05, 1.3),
        "hand_radius": limb * rng.uniform(0.95, 1.2),
        "foot_radius": limb * rng.uniform(1.0, 1.2),
        "tail": rng.uniform(0.24, 0.38) if species in ("cat", "mouse", "dog") else 0.13,
        "tail_radius": 0.024 if species == "mouse" else rng.uniform(0.03, 0.048),
        "tail_side": float(rng.choice([-1.0, 1.0])),
        "ear": head * rng.uniform(0.36, 0.5),
    }
    return {name: round(float(value), 4) for name, value in sizes.items()}


def _quadruped_sizes(rng: np.random.Generator, species: str) -> dict[str, float]:
    leg = rng.uniform(0.27, 0.35)
    head = rng.uniform(0.125, 0.16)
    chest = rng.uniform(0.11, 0.145)
    limb = rng.uniform(0.042, 0.054)
    sizes = {
        "torso": rng.uniform(0.3, 0.4),
        "neck": rng.uniform(0.1, 0.2) + 0.4 * chest,
        "neck_radius": chest * rng.uniform(0.5, 0.62),
        "head_width": head * rng.uniform(1.0, 1.1),
        "head_height": head,
        "muzzle": head * rng.uniform(0.9, 1.35),
        "chest_radius": chest,
        "pelvis_radius": chest * rng.uniform(0.82, 1.0),
        "leg_width": chest * 0.6,
        "upper_leg": 0.5 * leg,
        "lower_leg": 0.5 * leg,
        "foot": rng.uniform(0.035, 0.055),
        "leg_radius": limb,
        "foot_radius": limb * rng.uniform(0.9, 1.1),
        "tail": rng.uniform(0.1, 0.15)
        if species in ("rabbit", "bear")
        else rng.uniform(0.22, 0.32),
        "tail_radius": rng.uniform(0.022, 0.045),
        "ear": head * rng.uniform(0.4, 0.55),
    }
    return {name: round(float(value), 4) for name, value in sizes.items()}
