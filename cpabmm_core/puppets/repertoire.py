"""The motions of each body plan, and the random choice among them."""

import numpy as np

from cpabmm_core.puppets.appearance import BodyPlan, Identity
from cpabmm_core.puppets.biped_motion import BIPED_MOTIONS
from cpabmm_core.puppets.free_motion import sample_free_motion
from cpabmm_core.puppets.motion import MotionName, PuppetMotion, sample_yaw
from cpabmm_core.puppets.quadruped_motion import QUADRUPED_MOTIONS


def motion_names(body_plan: BodyPlan) -> tuple[MotionName, ...]:
    """Return the motions of a body plan; ``free`` is the aperiodic one.

    Example:
        >>> from cpabmm_core.puppets import motion_names
        >>> motion_names("quadruped")
        ('trot', 'bound', 'play', 'free')
    """
    if body_plan == "biped":
        return (*BIPED_MOTIONS, "free")
    return (*QUADRUPED_MOTIONS, "free")


def sample_motion(
    rng: np.random.Generator, identity: Identity, name: MotionName | None = None
) -> PuppetMotion:
    """Sample the parameters of the motion `name`, or of a random motion of the body plan."""
    names = motion_names(identity.body_plan)
    chances = np.array([1.6 if option == "free" else 1.0 for option in names])
    sampled = names[int(rng.choice(len(names), p=chances / chances.sum()))]
    name = name or sampled
    beat = float(rng.uniform(0.8, 1.15))
    motions = BIPED_MOTIONS if identity.body_plan == "biped" else QUADRUPED_MOTIONS
    if name == "free":
        curves = sample_free_motion(rng, identity.body_plan)
        least, most = (0.0, 32.0) if identity.body_plan == "biped" else (45.0, 75.0)
    else:
        sample_curves, least, most = motions[name]
        curves = sample_curves(rng)
    return PuppetMotion(name, beat, sample_yaw(rng, least, most), curves)
