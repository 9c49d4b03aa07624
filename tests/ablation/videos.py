"""The held-out videos: their frames and joints, and how closely keypoints follow these."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.media import open_clip
from cpabmm_core.metrics import unexplained_share

Sums = dict[str, tuple[float, int]]
"""The sum of a metric over the frames of a video and their number, by the metric's key."""


@dataclass
class Video:
    """A model's scores on one video."""

    name: str
    sums: Sums
    weights: Tensor  # (K,)
    """Contributions of the candidates where the frame moves, background first."""
    keypoints: NDArray[np.float64]  # (F, N, 2) in [-1, 1]
    truth: dict[str, Any] = field(default_factory=dict)
    """Body plan, names of the joints, and ``joints`` (F, J, 2) in [-1, 1]; empty if unknown."""

    def as_dict(self) -> dict[str, Any]:
        """Return what a line of results holds of the video.

        JSON lacks infinity, the PSNR of identical frames, so such a sum is left out.
        """
        sums = {key: [total, n] for key, (total, n) in self.sums.items() if math.isfinite(total)}
        return {"name": self.name, "sums": sums}


def read_video(clip: Path, max_frames: int) -> tuple[list[Frame], dict[str, Any]]:
    """Read the frames of a video that are scored, and their joints if they are known."""
    opened = open_clip(clip)
    count = min(max_frames, len(opened))
    chosen = np.linspace(0, len(opened) - 1, count).round().astype(int).tolist()
    return opened.read(chosen), _read_truth(clip.with_suffix(".json"), chosen)


def _read_truth(file: Path, frames: Sequence[int]) -> dict[str, Any]:
    if not file.is_file():
        return {}
    values = json.loads(file.read_text(encoding="utf-8"))
    joints = np.asarray(values["joints"], np.float64)[list(frames)]
    return {
        "plan": values["body_plan"],
        "names": values["joint_names"],
        "joints": joints * (2 / (values["size"] - 1)) - 1,
    }


def add_shares(videos: Sequence[Video]) -> None:
    """Add the unexplained share of each video with known joints.

    The keypoints of a plan's joints are chosen over all its videos, as `unexplained_share` does;
    the mean over these videos is its value.
    """
    by_plan: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        if video.truth:
            by_plan[video.truth["plan"]].append(video)
    for group in by_plan.values():
        first = group[0].truth["names"]
        names = [n for n in first if all(n in video.truth["names"] for video in group)]
        joints = [
            video.truth["joints"][:, [video.truth["names"].index(n) for n in names]]
            for video in group
        ]
        found = unexplained_share([video.keypoints for video in group], joints)
        own = np.mean([_spread(j - j.mean(1, keepdims=True)) for j in joints], axis=0)
        for video, true in zip(group, joints, strict=True):
            apart = _spread(video.keypoints[:, found.keypoint] - true) / own
            video.sums["unexplained"] = (float(apart[found.moving].mean()), 1)


def _spread(offsets: NDArray[np.float64]) -> NDArray[np.float64]:  # (F, J, 2) -> (J,)
    spread: NDArray[np.float64] = np.sqrt(offsets.var(0).sum(-1))
    return spread
