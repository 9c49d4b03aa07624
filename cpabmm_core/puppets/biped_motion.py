"""Periodic motions of two-legged characters, with the conventions of `puppets.motion`."""

from collections.abc import Callable

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.bodies import SIDES
from cpabmm_core.puppets.motion import MotionCurves, MotionName


def _bump(phase: Floats) -> Floats:
    """Return a smooth bump from 0 to 1 that peaks once per turn, at phase 0."""
    return np.asarray((0.5 + 0.5 * np.cos(phase)) ** 1.5)


def _walk(rng: np.random.Generator, *, march: bool) -> MotionCurves:
    stride = rng.uniform(8, 14) if march else rng.uniform(26, 38)
    lift = rng.uniform(70, 95) if march else rng.uniform(40, 65)
    arm, elbow = rng.uniform(30, 55), rng.uniform(20, 70)
    spread = rng.uniform(10, 22)

    def curves(phase: Floats) -> dict[str, Floats]:
        out = {
            "twist": 9 * np.sin(phase),
            "lean": 4 * np.cos(phase),
            "pitch": np.full_like(phase, 3.0),
            "head_tilt": 4 * np.cos(phase + 0.5),
            "head_nod": 3 * np.cos(2 * phase),
        }
        for side, _ in SIDES:
            own = phase if side == "left" else phase + np.pi
            raised = _bump(own)
            out[f"{side}_hip_swing"] = (
                4 + stride * np.sin(own) + (lift * 0.75 * raised if march else 0)
            )
            out[f"{side}_knee"] = 8 + lift * raised
            out[f"{side}_toe_lift"] = 14 * np.sin(own)
            out[f"{side}_hip_spread"] = np.full_like(phase, 4.0)
            out[f"{side}_shoulder_swing"] = -arm * np.sin(own)
            out[f"{side}_shoulder_spread"] = spread + 3 * np.cos(2 * own)
            out[f"{side}_elbow"] = elbow - 18 * np.sin(own - 0.4)
        return out

    return curves


def _wave(rng: np.random.Generator) -> MotionCurves:
    side, other = ("left", "right") if rng.random() < 0.5 else ("right", "left")
    raised, swing = rng.uniform(85, 125), rng.uniform(26, 38)
    low = rng.uniform(18, 45)
    both = rng.random() < 0.25
    sway = rng.uniform(5, 9)

    def curves(phase: Floats) -> dict[str, Floats]:
        out = {
            "lean": sway * np.sin(phase / 2),
            "bend": -0.6 * sway * np.sin(phase / 2),
            "head_tilt": -9 * np.sin(phase / 2 + 0.4),
            "drift": 0.07 * np.sin(phase / 2),
        }
        for arm in (side, other):
            waving = arm == side or both
            beat = np.sin(phase if arm == side else phase + np.pi)
            turned = -90.0 if waving else 75.0
            out[f"{arm}_shoulder_spread"] = (
                (raised + 14 * beat) if waving else low + 8 * np.sin(phase / 2)
            )
            out[f"{arm}_shoulder_twist"] = np.full_like(phase, turned)
            out[f"{arm}_elbow"] = (
                42 + swing * np.sin(phase + (0 if arm == side else np.pi) - 0.7)
                if waving
                else 55 + 20 * np.sin(phase / 2 - 0.5)
            )
            out[f"{arm}_hip_spread"] = 9 + (6 if arm == "left" else -6) * np.sin(phase / 2)
            out[f"{arm}_toe_out"] = np.full_like(phase, 25.0)
        for name, sign in SIDES:
            bent = 14 * np.clip(sign * np.sin(phase / 2), 0, None)
            out[f"{name}_knee"], out[f"{name}_hip_swing"] = 2 * bent, bent
        return out

    return curves


def _dance(rng: np.random.Generator) -> MotionCurves:
    opposite = np.pi if rng.random() < 0.6 else 0.0
    middle, reach = rng.uniform(55, 85), rng.uniform(35, 55)
    elbow, flick = rng.uniform(35, 60), rng.uniform(20, 40)
    turned = rng.choice([-90.0, -60.0, -90.0, 60.0])
    hips, step = rng.uniform(6, 11), rng.uniform(10, 20)
    lag = rng.uniform(0.4, 1.2)
    spin = rng.uniform(5, 16)

    def curves(phase: Floats) -> dict[str, Floats]:
        out = {
            "lean": hips * np.sin(phase),
            "bend": -1.3 * hips * np.sin(phase - 0.3),
            "twist": spin * np.sin(phase / 2),
            "head_tilt": 11 * np.sin(phase + 0.6),
            "head_nod": 5 * np.cos(2 * phase),
            "drift": 0.09 * np.sin(phase / 2) + 0.03 * np.sin(phase),
        }
        for side, _ in SIDES:
            own = phase + (opposite if side == "right" else 0.0)
            out[f"{side}_shoulder_spread"] = middle + reach * np.sin(own)
            out[f"{side}_shoulder_twist"] = np.full_like(phase, turned)
            out[f"{side}_elbow"] = elbow + flick * np.sin(own - lag)
            weight = np.sin(phase + (0 if side == "left" else np.pi))
            raised = np.clip(weight, 0, None) ** 1.5
            out[f"{side}_hip_spread"] = 8 + step * raised
            out[f"{side}_hip_swing"] = 12 + 22 * raised
            out[f"{side}_knee"] = 24 + 36 * raised
            out[f"{side}_toe_out"] = np.full_like(phase, 30.0)
        return out

    return curves


def _jump(rng: np.random.Generator) -> MotionCurves:
    height, crouch = rng.uniform(0.1, 0.17), rng.uniform(28, 42)
    high, low = rng.uniform(115, 150), rng.uniform(12, 30)
    legs = rng.uniform(12, 24)
    turned = rng.choice([-80.0, -80.0, 60.0])

    def curves(phase: Floats) -> dict[str, Floats]:
        flight = np.clip(np.sin(phase), 0, None)
        bent = np.clip(-np.sin(phase), 0, None) ** 1.2
        open_ = 0.5 + 0.5 * np.sin(phase - 0.35)
        out = {
            "jump": height * flight,
            "pitch": 10 * bent,
            "head_nod": 8 * bent - 6 * flight,
            "drift": 0.05 * np.sin(phase / 4),
        }
        for side, _ in SIDES:
            out[f"{side}_shoulder_spread"] = low + (high - low) * open_
            out[f"{side}_shoulder_twist"] = np.full_like(phase, turned)
            out[f"{side}_elbow"] = 20 + 22 * np.cos(phase)
            out[f"{side}_hip_spread"] = 5 + legs * open_
            out[f"{side}_hip_swing"] = 2 + crouch * bent
            out[f"{side}_knee"] = 5 + 1.9 * crouch * bent + 12 * flight
            out[f"{side}_toe_out"] = np.full_like(phase, 25.0)
            out[f"{side}_toe_lift"] = -25 * flight
        return out

    return curves


BIPED_MOTIONS: dict[
    MotionName, tuple[Callable[[np.random.Generator], MotionCurves], float, float]
] = {
    "walk": (lambda rng: _walk(rng, march=False), 30.0, 62.0),
    "march": (lambda rng: _walk(rng, march=True), 8.0, 45.0),
    "wave": (_wave, 0.0, 24.0),
    "dance": (_dance, 0.0, 28.0),
    "jump": (_jump, 0.0, 30.0),
}
"""For each motion, its sampler and the range of yaw to either side, in degrees."""
