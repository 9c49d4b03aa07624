"""The bones of each body plan, between joints of the ground truth."""

from typing import Literal, NamedTuple

from cpabmm_core.puppets.appearance import BodyPlan
from cpabmm_core.puppets.bodies import LEGS, SIDES

BodyPart = Literal["torso", "head", "arms", "legs", "tail"]
"""A part of the body; the head includes the neck."""


class BodyBone(NamedTuple):
    """A segment between two joints, by their names in `PuppetVideo.joint_names`.

    Example:
        >>> from cpabmm_core.puppets import BodyBone
        >>> BodyBone("left_shin", "legs", "left_knee", "left_ankle").part
        'legs'
    """

    name: str
    part: BodyPart
    first: str
    second: str


def body_bones(body_plan: BodyPlan) -> tuple[BodyBone, ...]:
    """Return the bones of a body plan.

    Limbs have the bones of the true skeleton. The torso, the neck with the head, and the tail bend,
    and are the straight lines between their ends. Some bipeds have no tail: their ground truth
    lacks the joint ``tail_tip``.

    Args:
        body_plan: ``biped`` or ``quadruped``.

    Returns:
        The bones of the torso, the head, the limbs and the tail, in this order.

    Example:
        >>> from cpabmm_core.puppets import body_bones
        >>> [bone.name for bone in body_bones("quadruped")][:4]
        ['torso', 'head', 'front_left_upper', 'front_left_lower']
    """
    root = "pelvis" if body_plan == "biped" else "rump"
    limbs = _biped_limbs() if body_plan == "biped" else _quadruped_limbs()
    return (
        BodyBone("torso", "torso", root, "chest"),
        BodyBone("head", "head", "chest", "head"),
        *limbs,
        BodyBone("tail", "tail", root, "tail_tip"),
    )


def _biped_limbs() -> list[BodyBone]:
    bones = []
    for side, _ in SIDES:
        bones += _limb(side, "arms", ("upper_arm", "forearm", "hand"), _ARM_JOINTS)
        bones += _limb(side, "legs", ("thigh", "shin", "foot"), _LEG_JOINTS)
    return bones


def _quadruped_limbs() -> list[BodyBone]:
    return [
        bone
        for leg, _, _ in LEGS
        for bone in _limb(leg, "legs", ("upper", "lower", "foot"), _LEG_JOINTS)
    ]


_ARM_JOINTS = ("shoulder", "elbow", "wrist", "hand")
_LEG_JOINTS = ("hip", "knee", "ankle", "toe")


def _limb(
    prefix: str, part: BodyPart, names: tuple[str, ...], joints: tuple[str, ...]
) -> list[BodyBone]:
    return [
        BodyBone(f"{prefix}_{name}", part, f"{prefix}_{first}", f"{prefix}_{second}")
        for name, first, second in zip(names, joints[:-1], joints[1:], strict=True)
    ]
