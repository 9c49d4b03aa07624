"""Looping motions of puppets: curves of joint angles over a phase, and their tempo.

A motion is a loop of `BEATS` beats, each of which spans 2 pi of phase. Curves give angles in
degrees; `PuppetMotion.angles` converts them to radians. Two channels displace the whole body, in
body units: ``jump`` (height above the ground) and ``drift`` (sideways).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpabmm_core.arrays import Floats

MotionName = Literal["walk", "march", "wave", "dance", "jump", "trot", "bound", "play", "free"]
"""A motion of a puppet; `motion_names` lists those of a body plan."""
MotionCurves = Callable[[Floats], dict[str, Floats]]
LENGTHS = frozenset({"jump", "drift"})

BEATS = 8
"""Beats in a loop. The period of every slower wave divides the length of the loop."""


@dataclass(frozen=True)
class PuppetMotion:
    """A looping motion: `curves` maps phases in radians to named angles in degrees."""

    name: MotionName
    beat: float
    """The intended length of a beat in seconds; `Stage` extends it if a joint would be too fast."""
    yaw: float
    """The direction that the character faces, in degrees: 0 towards the viewer, positive left."""
    curves: MotionCurves

    def angles(
        self,
        phase: Floats,  # (F,) radians
    ) -> dict[str, Floats]:
        """Return each channel, (F,): angles in radians, displacements in body units."""
        channels = {
            name: values if name in LENGTHS else np.deg2rad(values)
            for name, values in self.curves(phase).items()
        }
        channels["yaw"] = np.full(phase.shape, np.deg2rad(self.yaw))
        return channels


@dataclass(frozen=True)
class Rhythm:
    """The tempo of a loop: how long each of its beats takes."""

    seconds: Floats  # (BEATS,) duration of each beat

    def phase(
        self,
        time: Floats,  # (F,) seconds
    ) -> Floats:
        """Return the phase at each time, (F,) in radians from 0 to 2 pi times `BEATS`."""
        knots = np.concatenate([[0.0], np.cumsum(self.seconds)])
        beats = np.interp(np.mod(time, knots[-1]), knots, np.arange(BEATS + 1))
        return np.asarray(2 * np.pi * beats)


def sample_wave(
    rng: np.random.Generator, size: float, slowest: int = 1, fastest: int = 3
) -> Callable[[Floats], Floats]:
    """Sample a smooth wave of amplitude `size` at most, slower than the beat, that loops."""
    turns = np.arange(slowest, fastest + 1) / BEATS
    shares = rng.uniform(0.4, 1.0, len(turns))
    shares = size * shares / shares.sum()
    starts = rng.uniform(0, 2 * np.pi, len(turns))

    def wave(phase: Floats) -> Floats:
        return np.asarray((shares * np.sin(phase[:, None] * turns + starts)).sum(1))

    return wave


def sample_yaw(rng: np.random.Generator, least: float, most: float) -> float:
    """Sample a direction to face, `least` to `most` degrees to either side."""
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(least, most))
