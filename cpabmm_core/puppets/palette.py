"""Random but harmonious colours of a character."""

import numpy as np

from cpabmm_core.puppets.colour import Colour, mix, oklch


def sample_palette(rng: np.random.Generator, human: bool) -> dict[str, Colour]:
    """Sample the colours of a character: related hues for clothes, skin or fur, and details."""
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
        skin = _sample_fur(rng)
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


def _sample_fur(rng: np.random.Generator) -> Colour:
    """Sample a natural brown (45%), a grey (15%) or a colour of any hue (40%)."""
    kind = rng.random()
    if kind < 0.45:
        return oklch(rng.uniform(0.55, 0.82), rng.uniform(0.06, 0.13), rng.uniform(45, 85))
    if kind < 0.6:
        return oklch(rng.uniform(0.6, 0.9), rng.uniform(0.0, 0.025), rng.uniform(0, 360))
    return oklch(rng.uniform(0.62, 0.8), rng.uniform(0.1, 0.16), rng.uniform(0, 360))
