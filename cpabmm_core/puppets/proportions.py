"""Random lengths and thicknesses of the body parts, in body units."""

import numpy as np


def sample_biped_proportions(rng: np.random.Generator, species: str) -> dict[str, float]:
    """Sample the lengths and radii of a two-legged character, in body units."""
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


def sample_quadruped_proportions(rng: np.random.Generator, species: str) -> dict[str, float]:
    """Sample the lengths and radii of a four-legged character, in body units."""
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
