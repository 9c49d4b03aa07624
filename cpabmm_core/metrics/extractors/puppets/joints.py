"""Names of puppet joints in fixed order, and detection of their annotation files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.files.json_text import read_json

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
"""Names of the joints that the extractor finds, in order, for both body plans."""
BIPED = np.array([name not in _QUADRUPED_ONLY for name in JOINT_NAMES])
"""(J,) mask of the joints of two-legged characters."""
QUADRUPED = np.array([name not in _BIPED_ONLY for name in JOINT_NAMES])
"""(J,) mask of the joints of four-legged characters."""


def arrange_joints(
    joints: ArrayLike,  # (F, N, 2)
    names: Sequence[str],  # N
) -> NDArray[np.float64]:  # (F, J, 2)
    """Arrange the true joints of a video in the order of `JOINT_NAMES`.

    Args:
        joints: positions of the joints, in any coordinates.
        names: name of each joint.

    Returns:
        Positions in the order of `JOINT_NAMES`; NaN for joints that the character lacks.

    Example:
        >>> arranged = arrange_joints([[[4.0, 2.0]]], ["chest"])
        >>> arranged.shape, arranged[0, JOINT_NAMES.index("chest")].tolist()
        ((1, 37, 2), [4.0, 2.0])
    """
    positions = np.asarray(joints, np.float64)
    arranged = np.full((len(positions), len(JOINT_NAMES), 2), np.nan)
    arranged[:, [JOINT_NAMES.index(name) for name in names]] = positions
    return arranged


def has_puppet_joints(video: Path) -> bool:
    """Return whether ``NAME.json`` next to a video, strip or folder has the joints of a puppet."""
    name = video.name if video.is_dir() else video.stem
    try:
        truth = read_json((video.parent / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(truth, dict) or "joints" not in truth:
        return False
    names = truth.get("joint_names")
    return isinstance(names, list) and bool(names) and all(name in JOINT_NAMES for name in names)
