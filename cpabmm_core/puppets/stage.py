"""Placement of a moving character on the ground and inside the frame, with a limited speed."""

from dataclasses import dataclass

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity
from cpabmm_core.puppets.bodies import biped, quadruped
from cpabmm_core.puppets.camera import Camera
from cpabmm_core.puppets.motion import BEATS, PuppetMotion, Rhythm, sample_wave
from cpabmm_core.puppets.skeleton import Pose, Skeleton, solve_pose

FRAME_RATE = 25
FASTEST = 0.029
"""The largest motion of a joint between consecutive frames, as a share of the frame."""
_EDGE = 0.04
"""The margin around a character before camera motion, as a share of the frame."""
_TALLEST = (0.82, 0.94)
"""The range of a character's height if its motion leaves room, as a share of the frame."""
_DRIFT = 0.16
"""The largest sideways drift to either side, in body units."""
_APPROACH = 0.09
"""The largest logarithm of the scale that a character gains by approaching the camera."""
_SOFTEST = 0.02
"""The width of the soft maximum over the soles, in body units."""
_SHORTEST = 0.35
"""The shortest transition between two poses of a free motion, in seconds."""
_SAMPLES = 32
"""Phases per beat at which the limits of a motion are checked."""
_LOOP = np.arange(BEATS * _SAMPLES) * (2 * np.pi / _SAMPLES)


@dataclass(frozen=True)
class Shot:
    """A pose and its camera. Scene coordinates are ``origin + unit * body coordinates``."""

    pose: Pose
    camera: Floats  # (F, 2, 3), from scene coordinates to [0, 1]^2
    unit: Floats  # (F,)
    origin: Floats  # (2,)

    def project(
        self,
        points: Floats,  # (F, 3) body units
    ) -> Floats:
        """Project points to the frame, (F, 2) in [0, 1]."""
        scene = self.origin + self.unit[:, None] * points[:, :2]
        return np.asarray(
            np.einsum("fij,fj->fi", self.camera[:, :, :2], scene) + self.camera[:, :, 2]
        )


class Stage:
    """A character with its motion, camera, position, size and tempo."""

    def __init__(
        self, identity: Identity, motion: PuppetMotion, camera: Camera, rng: np.random.Generator
    ) -> None:
        """Choose position, size and tempo so that the whole loop stays within the limits."""
        self.identity = identity
        self.skeleton = _build_skeleton(identity)
        self._motion = motion
        self._camera = camera
        self._drift, self._approach = sample_wave(rng, 1.0, 2, 4), sample_wave(rng, 1.0, 2, 4)
        self._sway, self._look = sample_wave(rng, 9.0, 2, 4), sample_wave(rng, 9.0, 1, 4)
        self._unit, self._origin = 1.0, np.zeros(2)
        self._widest_drift = self._largest_approach = 0.0
        self._place(rng)
        self._rhythm = self._choose_rhythm()

    def shoot(
        self,
        time: Floats,  # (F,) seconds
    ) -> Shot:
        """Return the character and the camera at the given times."""
        return self._shoot(self._rhythm.phase(time), time)

    def joints(
        self,
        shot: Shot,
    ) -> Floats:
        """Return all joints, (F, J, 2) in [0, 1]."""
        pose = shot.pose
        sides = {"start": pose.starts, "end": pose.ends}
        points = [shot.project(sides[joint.at][joint.bone]) for joint in self.skeleton.joints]
        return np.stack(points, axis=1)

    def _shoot(self, phase: Floats, time: Floats) -> Shot:
        unit = self._unit * np.exp(self._largest_approach * self._approach(phase))
        return Shot(self._pose(phase), self._camera.matrices(time), unit, self._origin)

    def _pose(self, phase: Floats) -> Pose:
        channels = self._motion.angles(phase)
        channels["yaw"] = channels["yaw"] + np.deg2rad(self._sway(phase))
        look = np.deg2rad(self._look(phase))
        channels["head_yaw"] = channels.get("head_yaw", 0.0) + look
        pose = solve_pose(self.skeleton, channels, len(phase))
        soles = np.stack([pose.ends[bone][:, 1] for bone in self.skeleton.ground])
        highest = soles.max(0)
        floor = highest + _SOFTEST * np.log(np.exp((soles - highest) / _SOFTEST).sum(0))
        shift = np.zeros((len(phase), 3))
        shift[:, 0] = channels.get("drift", 0.0) + self._widest_drift * self._drift(phase)
        shift[:, 1] = -floor - channels.get("jump", 0.0)
        for points in (pose.starts, pose.ends):
            for bone in points:
                points[bone] = points[bone] + shift
        return pose

    def _place(self, rng: np.random.Generator) -> None:
        low, high = _bounding_box(self._pose(_LOOP), self.identity)
        room = 1 - 2 * _EDGE
        extent = high - low
        self._unit = float(min(rng.uniform(*_TALLEST) / extent[1], (room / extent).min()))
        # Drift and approach use the remaining room.
        slack = room - self._unit * extent
        self._widest_drift = float(min(0.5 * slack[0] / self._unit, _DRIFT))
        slack[0] -= 2 * self._unit * self._widest_drift
        self._largest_approach = float(min(slack[1], 0.5 * slack[0] + 0.03, _APPROACH))
        place = rng.uniform(0.3, 0.7, 2)
        self._origin = _EDGE + slack * place - self._unit * low
        self._origin[0] += self._unit * self._widest_drift

    def _choose_rhythm(self) -> Rhythm:
        """Make each beat long enough for its fastest joint, and at least as long as intended."""
        still = np.zeros(len(_LOOP))
        joints = self.joints(self._shoot(_LOOP, still))
        steps = np.sqrt((np.diff(joints, axis=0, append=joints[:1]) ** 2).sum(-1)).max(1)
        # The factor 0.93 leaves a margin for the motion of the camera.
        needed = steps.reshape(BEATS, -1).max(1) * _SAMPLES / (0.93 * FASTEST * FRAME_RATE)
        if self._motion.name == "free":
            return Rhythm(np.maximum(needed, _SHORTEST))
        return Rhythm(np.full(BEATS, max(float(needed.max()), self._motion.beat)))


def _build_skeleton(identity: Identity) -> Skeleton:
    if identity.body_plan == "biped":
        return biped(identity.proportions, tail=identity.tail)
    return quadruped(identity.proportions)


def _bounding_box(pose: Pose, identity: Identity) -> tuple[Floats, Floats]:
    """Return the corners of the bounding box of the character over all frames, in body units."""
    points = np.concatenate([*pose.starts.values(), *pose.ends.values()])[:, :2]
    thickness = 0.06 if identity.body_plan == "biped" else identity.proportions["pelvis_radius"]
    head = pose.ends["head"][:, :2]
    crowned = identity.hat not in ("none", "cap") or identity.ears == "long"
    wide, tall = 1.25 * identity.proportions["head_width"], identity.proportions["head_height"]
    above = head - np.array([wide, tall * (2.05 if crowned else 1.45)])
    below = head + np.array([wide, tall])
    low = np.minimum((points - 0.06).min(0), above.min(0))
    high = np.maximum((points + np.array([thickness, 0.06])).max(0), below.max(0))
    if identity.body_plan == "quadruped":
        muzzle = 1.2 * identity.proportions["muzzle"]
        low[0] = min(low[0], head[:, 0].min() - muzzle)
        high[0] = max(high[0], head[:, 0].max() + muzzle)
        low[0] = min(low[0], points[:, 0].min() - thickness)
    return low, high
