"""Whether a video is one of puppets, whose true joints lie beside it."""

import json
from pathlib import Path


def has_puppet_joints(video: Path) -> bool:
    """Whether ``NAME.json`` beside a video, strip or folder ``NAME`` names joints."""
    name = video.name if video.is_dir() else video.stem
    try:
        truth = json.loads((video.parent / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(truth, dict) and "joint_names" in truth
