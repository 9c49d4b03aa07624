"""The skeletons of the two body plans: two-legged and four-legged characters."""

from collections.abc import Mapping

from cpabmm_core.puppets.skeleton import Bone, Joint, Skeleton, Turn, Vector

SIDES = (("left", 1.0), ("right", -1.0))
LEGS = tuple((f"{end}_{side}", end, sign) for end in ("front", "hind") for side, sign in SIDES)
TAIL_BONES = ("tail_base", "tail_middle", "tail_tip")


def _tail(
    parent: str,
    anchor: Vector,
    step: Vector,
    curl: Turn,
) -> list[Bone]:
    """Return three equal bones, each turned by the angle ``tail_wag`` about y and by `curl`."""
    bones = []
    for name in TAIL_BONES:
        bones.append(Bone(name, parent, anchor, step, (Turn("y", "tail_wag"), curl)))
        parent, anchor = name, (0.0, 0.0, 0.0)
    return bones


def _arm(side: str, sign: float, size: Mapping[str, float]) -> list[Bone]:
    upper, fore, hand = f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"
    anchor = (sign * size["shoulder_width"], 0.25 * size["chest_radius"], 0.0)
    shoulder = (
        Turn("z", f"{side}_shoulder_spread", -sign),
        Turn("x", f"{side}_shoulder_swing", -1.0),
        Turn("y", f"{side}_shoulder_twist", sign),
    )
    elbow = (Turn("x", f"{side}_elbow", -1.0),)
    return [
        Bone(upper, "spine", anchor, (0, size["upper_arm"], 0), shoulder),
        Bone(fore, upper, (0, 0, 0), (0, size["forearm"], 0), elbow),
        Bone(hand, fore, (0, 0, 0), (0, size["hand"], 0)),
    ]


def _leg(side: str, sign: float, size: Mapping[str, float]) -> list[Bone]:
    thigh, shin, foot = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    anchor = (sign * size["hip_width"], 0.2 * size["pelvis_radius"], 0.0)
    hip = (Turn("z", f"{side}_hip_spread", -sign), Turn("x", f"{side}_hip_swing", -1.0))
    # The ankle reverses the turns of hip and knee to keep the sole level.
    ankle = (
        Turn("x", f"{side}_hip_swing"),
        Turn("x", f"{side}_knee", -1.0),
        Turn("x", f"{side}_toe_lift", -1.0),
        Turn("y", f"{side}_toe_out", -sign),
    )
    sole = (0.0, 0.25 * size["foot"], -size["foot"])
    return [
        Bone(thigh, "pelvis", anchor, (0, size["thigh"], 0), hip),
        Bone(shin, thigh, (0, 0, 0), (0, size["shin"], 0), (Turn("x", f"{side}_knee"),)),
        Bone(foot, shin, (0, 0, 0), sole, ankle),
    ]


def _biped_trunk(size: Mapping[str, float]) -> list[Bone]:
    root = (Turn("y", "yaw"), Turn("z", "lean"), Turn("x", "pitch"))
    waist = (Turn("y", "twist"), Turn("z", "bend"), Turn("x", "stoop"))
    nape = (Turn("y", "head_yaw"), Turn("z", "head_tilt"), Turn("x", "head_nod"))
    return [
        Bone("pelvis", None, (0, 0, 0), (0, 0, 0), root),
        Bone("spine", "pelvis", (0, 0, 0), (0, -size["torso"], 0), waist),
        Bone("neck", "spine", (0, 0, 0), (0, -size["neck"], 0)),
        Bone("head", "neck", (0, 0, 0), (0, -0.8 * size["head_height"], 0), nape),
    ]


def biped(size: Mapping[str, float], *, tail: bool) -> Skeleton:
    """Return a two-legged skeleton whose lengths are `size`, in body units."""
    bones = _biped_trunk(size)
    joints = [
        Joint("pelvis", "pelvis", "end", "torso"),
        Joint("chest", "spine", "end", "torso"),
        Joint("head", "head", "end", "head"),
    ]
    for side, sign in SIDES:
        bones += [*_arm(side, sign, size), *_leg(side, sign, size)]
        arm, leg = f"{side}_arm", f"{side}_leg"
        joints += [
            Joint(f"{side}_shoulder", f"{side}_upper_arm", "start", arm),
            Joint(f"{side}_elbow", f"{side}_upper_arm", "end", arm),
            Joint(f"{side}_wrist", f"{side}_forearm", "end", arm),
            Joint(f"{side}_hand", f"{side}_hand", "end", arm),
            Joint(f"{side}_hip", f"{side}_thigh", "start", leg),
            Joint(f"{side}_knee", f"{side}_thigh", "end", leg),
            Joint(f"{side}_ankle", f"{side}_shin", "end", leg),
            Joint(f"{side}_toe", f"{side}_foot", "end", leg),
        ]
    if tail:
        anchor = (0.0, 0.0, 0.6 * size["pelvis_radius"])
        step, way = size["tail"] / 3, size["tail_side"]
        reach = (0.75 * way * step, -0.45 * step, 0.5 * step)
        bones += _tail("pelvis", anchor, reach, Turn("z", "tail_curl", -way))
        joints.append(Joint("tail_tip", "tail_tip", "end", "tail"))
    return Skeleton(tuple(bones), tuple(joints), ("left_foot", "right_foot"))


def _quadruped_leg(leg: str, end: str, sign: float, size: Mapping[str, float]) -> list[Bone]:
    parent = "spine" if end == "front" else "rump"
    # A front knee folds the foot backwards; a hind one (the hock) folds it forwards.
    fold = 1.0 if end == "front" else -1.0
    anchor = (
        sign * size["leg_width"],
        0.35 * size["chest_radius"],
        0.03 if end == "front" else 0.0,
    )
    flat = (
        Turn("x", f"{leg}_swing"),
        Turn("x", f"{leg}_bend", -fold),
        Turn("x", f"{leg}_toe_lift", -1.0),
    )
    return [
        Bone(
            f"{leg}_upper",
            parent,
            anchor,
            (0, size["upper_leg"], 0),
            (Turn("x", f"{leg}_swing", -1.0),),
        ),
        Bone(
            f"{leg}_lower",
            f"{leg}_upper",
            (0, 0, 0),
            (0, size["lower_leg"], 0),
            (Turn("x", f"{leg}_bend", fold),),
        ),
        Bone(
            f"{leg}_foot", f"{leg}_lower", (0, 0, 0), (0, 0.2 * size["foot"], -size["foot"]), flat
        ),
    ]


def quadruped(size: Mapping[str, float]) -> Skeleton:
    """Return a four-legged skeleton whose lengths are `size`, in body units."""
    bones = _quadruped_trunk(size)
    joints = [
        Joint("rump", "rump", "end", "torso"),
        Joint("chest", "spine", "end", "torso"),
        Joint("head", "head", "end", "head"),
    ]
    for leg, part, sign in LEGS:
        bones += _quadruped_leg(leg, part, sign, size)
        joints += [
            Joint(f"{leg}_hip", f"{leg}_upper", "start", f"{leg}_leg"),
            Joint(f"{leg}_knee", f"{leg}_upper", "end", f"{leg}_leg"),
            Joint(f"{leg}_ankle", f"{leg}_lower", "end", f"{leg}_leg"),
            Joint(f"{leg}_toe", f"{leg}_foot", "end", f"{leg}_leg"),
        ]
    anchor = (0.0, -0.35 * size["pelvis_radius"], 0.6 * size["pelvis_radius"])
    step = size["tail"] / 3
    reach = (0.0, -0.6 * step, 0.8 * step)
    bones += _tail("rump", anchor, reach, Turn("x", "tail_curl"))
    joints.append(Joint("tail_tip", "tail_tip", "end", "tail"))
    return Skeleton(tuple(bones), tuple(joints), tuple(f"{leg}_foot" for leg, _, _ in LEGS))


def _quadruped_trunk(size: Mapping[str, float]) -> list[Bone]:
    half = 0.5 * size["torso"]
    root = (Turn("y", "yaw"), Turn("z", "lean"), Turn("x", "pitch"))
    return [
        Bone("pelvis", None, (0, 0, 0), (0, 0, 0), root),
        Bone("spine", "pelvis", (0, 0, 0), (0, 0, -half), (Turn("x", "stoop"), Turn("y", "twist"))),
        Bone("rump", "pelvis", (0, 0, 0), (0, 0, half), (Turn("x", "stoop", -1.0),)),
        Bone(
            "neck",
            "spine",
            (0, -0.3 * size["chest_radius"], 0),
            (0, -0.8 * size["neck"], -0.6 * size["neck"]),
            (Turn("x", "neck_pitch"), Turn("y", "neck_yaw")),
        ),
        Bone(
            "head",
            "neck",
            (0, 0, 0),
            (0, -0.5 * size["head_height"], -0.45 * size["head_height"]),
            (Turn("y", "head_yaw"), Turn("z", "head_tilt"), Turn("x", "head_nod")),
        ),
    ]
