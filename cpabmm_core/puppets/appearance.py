"""The appearance of a character: body plan, proportions, clothes or fur, face, hat, colours."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from cpabmm_core.puppets.colour import Colour
from cpabmm_core.puppets.palette import sample_palette
from cpabmm_core.puppets.proportions import sample_biped_proportions, sample_quadruped_proportions
from cpabmm_core.puppets.texture import Pattern, Texture

BodyPlan = Literal["biped", "quadruped"]
"""The kind of body, which determines the skeleton and the motions of a puppet."""
Hat = Literal["none", "cap", "top_hat", "beanie", "party", "bowler", "crown"]
HATS: tuple[Hat, ...] = ("none", "cap", "top_hat", "beanie", "party", "bowler", "crown")
Ears = Literal["none", "round", "pointed", "long", "floppy"]
Hair = Literal["none", "short", "bob"]
_T = TypeVar("_T")

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
    """Everything about a character that does not change while it moves."""

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
        """Return the identity as values that JSON can store."""
        return asdict(self)


def sample_identity(rng: np.random.Generator, body_plan: BodyPlan | None = None) -> Identity:
    """Sample a character.

    Two thirds of the characters are bipeds, unless `body_plan` fixes the body plan.
    """
    plan: BodyPlan = "biped" if rng.random() < 0.67 else "quadruped"
    plan = body_plan or plan
    human = plan == "biped" and rng.random() < 0.5
    species = "child" if human else str(rng.choice(list(_ANIMALS)))
    colours = sample_palette(rng, human)
    ears: Ears = "none" if human else _pick(rng, _ANIMALS[species])
    hats = HATS if ears in ("none", "floppy") else ("none", "none", "party", "top_hat", "crown")
    hat = _pick(rng, hats)
    clothes = [
        _sample_texture(rng, colours[name], colours[f"{name}_accent"]) for name in ("top", "bottom")
    ]
    coat = Texture(colours["skin"], colours["skin_accent"])
    if not human and rng.random() < 0.6:
        pattern = _pick(rng, COAT_PATTERNS)
        coat = Texture(colours["skin"], colours["skin_accent"], pattern, rng.uniform(0.1, 0.16))
    return Identity(
        body_plan=plan,
        species=species,
        proportions=sample_biped_proportions(rng, species)
        if plan == "biped"
        else sample_quadruped_proportions(rng, species),
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


def _pick(rng: np.random.Generator, options: tuple[_T, ...]) -> _T:
    return options[int(rng.integers(len(options)))]


def _sample_texture(rng: np.random.Generator, first: Colour, second: Colour) -> Texture:
    pattern = _pick(rng, CLOTHES_PATTERNS)
    return Texture(first, second, pattern, round(float(rng.uniform(0.07, 0.11)), 4))
