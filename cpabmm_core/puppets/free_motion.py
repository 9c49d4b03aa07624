"""Aperiodic motion: a loop of random poses within joint limits, with smooth transitions."""

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import BodyPlan
from cpabmm_core.puppets.bodies import LEGS, SIDES
from cpabmm_core.puppets.motion import BEATS, MotionCurves

Limits = dict[str, tuple[float, float]]

_EASE = 0.85
"""Share of a beat that a joint spends moving; it rests for the remainder."""


def _biped_limits() -> Limits:
    limits: Limits = {
        "lean": (-9, 9),
        "bend": (-12, 12),
        "twist": (-22, 22),
        "pitch": (-3, 10),
        "head_tilt": (-16, 16),
        "head_yaw": (-25, 25),
        "head_nod": (-10, 12),
        "tail_wag": (-25, 25),
        "tail_curl": (-20, 30),
        "drift": (-0.1, 0.1),
    }
    for side, _ in SIDES:
        limits |= {
            f"{side}_shoulder_spread": (8, 150),
            f"{side}_shoulder_swing": (-25, 50),
            f"{side}_shoulder_twist": (-110, 90),
            f"{side}_elbow": (5, 105),
            f"{side}_hip_spread": (2, 24),
            f"{side}_hip_swing": (-8, 38),
            f"{side}_knee": (4, 50),
            f"{side}_toe_out": (0, 35),
        }
    return limits


def _quadruped_limits() -> Limits:
    limits: Limits = {
        "pitch": (-10, 10),
        "stoop": (-5, 5),
        "neck_pitch": (-20, 30),
        "neck_yaw": (-15, 15),
        "head_nod": (-15, 20),
        "head_tilt": (-12, 12),
        "head_yaw": (-20, 20),
        "tail_wag": (-15, 15),
        "tail_curl": (-15, 30),
        "drift": (-0.08, 0.08),
    }
    for leg, end, _ in LEGS:
        front = end == "front"
        limits[f"{leg}_swing"] = (-24, 48) if front else (-42, 14)
        limits[f"{leg}_bend"] = (2, 60) if front else (-55, -8)
    return limits


def _ease(share: Floats) -> Floats:
    """Return the minimum-jerk interpolation from 0 to 1."""
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share**3 * (10 - 15 * share + 6 * share**2))


def sample_free_motion(rng: np.random.Generator, body_plan: BodyPlan) -> MotionCurves:
    """Sample a motion with one random pose for each beat of the loop.

    Each joint starts towards the next pose with a delay of its own.
    """
    limits = _biped_limits() if body_plan == "biped" else _quadruped_limits()
    low, high = np.array(list(limits.values())).T
    poses = low + (high - low) * rng.beta(0.9, 0.9, (BEATS, len(limits)))
    lags = rng.uniform(0.0, 1.0 - _EASE, len(limits))

    def curves(phase: Floats) -> dict[str, Floats]:
        beat = phase / (2 * np.pi)
        number = np.floor(beat).astype(int) % BEATS
        share = (beat - np.floor(beat))[:, None] - lags
        before, after = poses[number], poses[(number + 1) % BEATS]
        values = before + (after - before) * _ease(share / _EASE)
        return {name: values[:, place] for place, name in enumerate(limits)}

    return curves
