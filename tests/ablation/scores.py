"""The scores of a model on held-out videos."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation.candidates import detector_gradient, fit_residuals, perplexity, warp_errors
from ablation.data_sets import DataSet
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.geometry import identity_grid, positions
from cpabmm_core.inference import to_frames, to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.metrics import (
    Evaluation,
    FrameQuality,
    identity_metric,
    keypoint_metric,
    unexplained_share,
)
from cpabmm_core.metrics.extractors import (
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.auto import (
    choose_embedding_extractor,
    choose_keypoint_extractor,
)
from cpabmm_core.metrics.video_metric import VideoMetric
from cpabmm_core.models import AnimationModel

MAX_FRAMES = 40
"""Frames of a video that are reconstructed; of a longer one, so many that are evenly spaced."""
_BATCH = 8
_GRADIENT_PAIRS = 8
_MOVING_PIXELS = 1.0  # at 64 px; positions that move further belong to the object
_CPU = torch.device("cpu")

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


class Scorer:
    """Scores models on the held-out videos of a data set.

    Args:
        data_set: the data set.
        folder: its folder, with the part ``test``.
        max_frames: frames of a video.
    """

    def __init__(self, data_set: DataSet, folder: Path, max_frames: int = MAX_FRAMES) -> None:
        self._clips = list_clips(folder / "test")
        self._max_frames = max_frames
        self._metrics: list[VideoMetric] = [FrameQuality()]
        self.extractors: dict[str, str] = {}
        """Name of the extractor by its role, or the reason why there is none."""
        request = Request(device="cpu", allow_download=False)
        if data_set.extractor != "auto":
            points = open_keypoint_extractor(data_set.extractor, request)
            identity = open_embedding_extractor(data_set.extractor, request)
            self._metrics += [keypoint_metric(points), identity_metric(identity)]
            self.extractors = {"keypoints": points.info.name, "identity": identity.info.name}
            return
        chosen = choose_keypoint_extractor(self._clips, request)
        if chosen.extractor is not None:
            self._metrics.append(keypoint_metric(chosen.extractor))
        person = choose_embedding_extractor(self._clips, request)
        if person.extractor is not None:
            self._metrics.append(identity_metric(person.extractor))
        for role, choice in (("keypoints", chosen), ("identity", person)):
            found = choice.extractor
            self.extractors[role] = choice.reason if found is None else found.info.name

    def score(self, model: AnimationModel) -> dict[str, Any]:
        """Return the scores of a model as JSON: of the videos, and of its keypoints and candidates.

        Every video is reconstructed from its first frame.
        """
        model.eval()
        videos = [self._score_video(model, clip) for clip in self._clips]
        _add_shares(videos)
        weights = torch.stack([video.weights for video in videos]).sum(0)
        gradient = detector_gradient(model, *self._fixed_pairs(model.frame_size))
        return {
            "videos": [video.as_dict() for video in videos],
            "extractors": self.extractors,
            "use": weights.tolist(),
            "groups_in_use": perplexity(weights[1:]),
            "gradient_candidates": gradient.candidates,
            "gradient_heatmaps": gradient.heatmaps,
        }

    def _score_video(self, model: AnimationModel, clip: Path) -> Video:
        frames, truth = read_video(clip, self._max_frames)
        evaluation = Evaluation(self._metrics)
        evaluation.start_video(clip.stem)
        images = torch.cat([to_model_input(frame, model.frame_size, _CPU) for frame in frames])
        parts = [_reconstruct(model, images[:1], part) for part in images.split(_BATCH)]
        real, generated = to_frames(images), to_frames(torch.cat([p.generated for p in parts]))
        evaluation.update(np.stack(real), np.stack(generated))
        tallies = evaluation.end_video().sums.tallies
        sums: Sums = {key: (tally.total, tally.count) for key, tally in tallies.items()}
        sums["still"] = _sum(_static_error(real))
        for name in parts[0].values:
            sums[name] = _sum(torch.cat([p.values[name] for p in parts]).tolist())
        keypoints = torch.cat([p.keypoints for p in parts]).double().numpy()
        weights = torch.stack([p.weights for p in parts]).sum(0)
        return Video(clip.stem, sums, weights, keypoints, truth)

    def _fixed_pairs(self, size: int) -> tuple[Tensor, Tensor]:
        """Return the first and the middle frame of the first videos."""
        pairs = []
        for clip in self._clips[:_GRADIENT_PAIRS]:
            opened = open_clip(clip)
            pairs.append(
                [to_model_input(f, size, _CPU) for f in opened.read([0, len(opened) // 2])]
            )
        source, driving = (torch.cat(side) for side in zip(*pairs, strict=True))
        return source, driving


@dataclass
class _Part:
    """What a model makes of some frames of a video."""

    generated: Tensor  # (B, 3, S, S)
    keypoints: Tensor  # (B, N, 2)
    weights: Tensor  # (K,)
    values: dict[str, Tensor]  # (B,) each
    """Measures of the candidate motions by name."""


@torch.inference_mode()
def _reconstruct(
    model: AnimationModel,
    source: Tensor,  # (1, 3, S, S)
    images: Tensor,  # (B, 3, S, S)
) -> _Part:
    sources = source.expand_as(images)
    keypoints = model.keypoints(images)
    kp_source = model.keypoints(source).expand_as(keypoints)
    motion = model.motion(sources, kp_source, keypoints, model.background(sources, images))
    shift = motion.deformation - identity_grid(*motion.deformation.shape[1:3])
    moving = shift.norm(dim=-1) * 64 / 2 > _MOVING_PIXELS
    residuals = fit_residuals(model, kp_source, keypoints)
    values = {"fit_residual": residuals.local, **warp_errors(model, sources, images, motion)}
    if residuals.overall is not None:
        values["global_residual"] = residuals.overall
    return _Part(
        model.generate(sources, motion),
        positions(keypoints),
        motion.contribution_maps.movedim(1, -1)[moving].sum(0),
        values,
    )


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


def _add_shares(videos: Sequence[Video]) -> None:
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


def _static_error(frames: Sequence[Frame]) -> list[float]:
    first = frames[0].astype(np.float64)
    return [float(np.abs(frame - first).mean() / 255) for frame in frames]


def _sum(values: Sequence[float]) -> tuple[float, int]:
    return float(np.sum(values)), len(values)
