"""Periodic motions of four-legged characters, with the conventions of `puppets.motion`."""

from collections.abc import Callable

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.bodies import LEGS
from cpabmm_core.puppets.motion import MotionCurves, MotionName

_TROT = {"front_left": 0.0, "front_right": np.pi, "hind_left": np.pi, "hind_right": 0.0}
_WALK = {
    "front_left": 0.0,
    "front_right": np.pi,
    "hind_left": 1.5 * np.pi,
    "hind_right": 0.5 * np.pi,
}
_BOUND = {"front_left": 0.0, "front_right": 0.3, "hind_left": 2.6, "hind_right": 2.9}


def _tail(out: dict[str, Floats], phase: Floats, wag: float, lag: float) -> dict[str, Floats]:
    out["tail_wag"] = 0.6 * wag * np.sin(phase - lag)
    out["tail_curl"] = 8 + wag * np.sin(phase - lag - 0.6)
    return out


def _gait(
    rng: np.random.Generator, offsets: dict[str, float], stride: tuple[float, float], bounce: float
) -> MotionCurves:
    reach, lift = rng.uniform(*stride), rng.uniform(45, 70)
    wag, nod = rng.uniform(8, 20), rng.uniform(4, 10)
    lag = rng.uniform(0, 2 * np.pi)

    def curves(phase: Floats) -> dict[str, Floats]:
        out = {
            "pitch": bounce * 60 * np.sin(phase + 0.4),
            "stoop": bounce * 70 * np.sin(phase),
            "neck_pitch": nod * np.sin(phase + 0.8) + 4,
            "head_nod": 4 - 0.8 * nod * np.sin(phase + 1.2),
            "jump": bounce * (0.5 + 0.5 * np.sin(phase + 0.9)),
        }
        for leg, end, _ in LEGS:
            own = phase + offsets[leg]
            raised = (0.5 + 0.5 * np.cos(own)) ** 1.5
            rest = 0.0 if end == "front" else -13.0
            out[f"{leg}_swing"] = (
                rest + reach * np.sin(own) + (0.35 * lift * raised if end == "front" else 0)
            )
            out[f"{leg}_bend"] = (4 if end == "front" else -20) + lift * raised * (
                1.0 if end == "front" else -0.75
            )
            out[f"{leg}_toe_lift"] = -10 * raised
        return _tail(out, phase, wag, lag)

    return curves


def _play(rng: np.random.Generator) -> MotionCurves:
    """Sample a playful motion on the spot: bowing, nodding, lifting paws, wagging the tail."""
    bow, nod, wag = rng.uniform(7, 13), rng.uniform(16, 26), rng.uniform(18, 30)
    paw = rng.uniform(45, 65)
    lag = rng.uniform(0, 2 * np.pi)

    def curves(phase: Floats) -> dict[str, Floats]:
        out = {
            "pitch": bow * np.sin(phase),
            "neck_pitch": nod * np.sin(phase + 0.6),
            "head_nod": 0.7 * nod * np.sin(phase + 1.4),
            "head_tilt": 10 * np.sin(phase / 2),
            "drift": 0.06 * np.sin(phase / 2),
        }
        for leg, end, sign in LEGS:
            turn = np.clip(sign * np.sin(phase / 2), 0, None) ** 1.3
            lifted = turn if end == "front" else 0.25 * turn
            fold = 1.0 if end == "front" else -1.0
            rest = 0.0 if end == "front" else -13.0
            # Legs stay upright while the body pitches over them.
            out[f"{leg}_swing"] = rest + bow * np.sin(phase) + paw * lifted
            out[f"{leg}_bend"] = (6 if end == "front" else -20) + fold * 1.3 * paw * lifted
        return _tail(out, 2 * phase, wag, lag)

    return curves


QUADRUPED_MOTIONS: dict[
    MotionName, tuple[Callable[[np.random.Generator], MotionCurves], float, float]
] = {
    "trot": (
        lambda rng: _gait(rng, _TROT if rng.random() < 0.5 else _WALK, (22, 32), 0.02),
        50.0,
        80.0,
    ),
    "bound": (lambda rng: _gait(rng, _BOUND, (28, 40), 0.1), 55.0, 80.0),
    "play": (_play, 45.0, 75.0),
}
"""For each motion, its sampler and the range of yaw to either side, in degrees."""
