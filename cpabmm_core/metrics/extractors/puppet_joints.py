"""The joints of puppets: their names in fixed order, and where the truth about them lies."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SIDES = ("left", "right")
_SHARED = ("head", "chest", "tail_tip")
_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "toe")

_BIPED_ONLY = ("pelvis", *(f"{side}_{part}" for side in _SIDES for part in (*_ARM, *_LEG)))
_QUADRUPED_ONLY = (
    "rump",
    *(f"{end}_{side}_{part}" for end in ("front", "hind") for side in _SIDES for part in _LEG),
)

JOINT_NAMES: tuple[str, ...] = (*_SHARED, *_BIPED_ONLY, *_QUADRUPED_ONLY)
"""What the columns of the `puppets` extractor are. A character has those of its body plan only."""
BIPED = np.array([name not in _QUADRUPED_ONLY for name in JOINT_NAMES])
"""Which of them a two-legged character can have."""
QUADRUPED = np.array([name not in _BIPED_ONLY for name in JOINT_NAMES])
"""Which of them a four-legged character can have."""


def in_fixed_order(
    joints: ArrayLike,  # (F, N, 2)
    names: Sequence[str],  # N
) -> NDArray[np.float64]:  # (F, J, 2)
    """The true joints of a video in the order of `JOINT_NAMES`; NaN for those it does not have."""
    given = np.asarray(joints, np.float64)
    arranged = np.full((len(given), len(JOINT_NAMES), 2), np.nan)
    arranged[:, [JOINT_NAMES.index(name) for name in names]] = given
    return arranged


def has_puppet_joints(video: Path) -> bool:
    """Whether ``NAME.json`` beside a video, strip or folder ``NAME`` has the joints of a puppet."""
    name = video.name if video.is_dir() else video.stem
    try:
        truth = json.loads((video.parent / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(truth, dict) or "joints" not in truth:
        return False
    names = truth.get("joint_names")
    return isinstance(names, list) and bool(names) and all(name in JOINT_NAMES for name in names)
