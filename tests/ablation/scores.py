"""The scores of a model on held-out videos."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation.candidates import detector_gradient, fit_residuals, perplexity, warp_errors
from ablation.data_sets import DataSet
from ablation.records import STATIC
from ablation.videos import Sums, Video, add_shares, read_video
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.geometry import identity_grid, positions
from cpabmm_core.inference import to_frames, to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.metrics import Evaluation, FrameQuality
from cpabmm_core.metrics.extractor_metrics import ExtractorMetric, Role
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    Extractor,
    KeypointExtractor,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.auto import (
    choose_embedding_extractor,
    choose_keypoint_extractor,
)
from cpabmm_core.metrics.video_metric import Frames, VideoMetric
from cpabmm_core.models import AnimationModel

MAX_FRAMES = 40
"""Frames of a video that are reconstructed; of a longer one, so many that are evenly spaced."""
_BATCH = 8
_GRADIENT_PAIRS = 8
_MOVING_PIXELS = 1.0  # at 64 px; positions that move further belong to the object

Values = NDArray[np.float64]
"""Keypoints (F, J, 2) or embeddings (F, D) of frames."""


class Scorer:
    """Scores models on the held-out videos of a data set.

    Args:
        data_set: the data set.
        folder: its folder, with the part ``test``.
        max_frames: frames of a video.
        people: extractor of keypoints for a set of people; None chooses an installed one.
        device: computes the models and the extractors of puppets.
    """

    def __init__(
        self,
        data_set: DataSet,
        folder: Path,
        max_frames: int = MAX_FRAMES,
        people: KeypointExtractor | None = None,
        device: str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._clips = list_clips(folder / "test")
        self._max_frames = max_frames
        self._quality = FrameQuality()
        self._metrics: list[VideoMetric] = []
        self._static: dict[Path, Sums] = {}
        self.extractors: dict[str, str] = {}
        """Name of the extractor by its role, or the reason why there is none."""
        request = Request(device=device, allow_download=False)
        if data_set.extractor == "auto":
            if people is None:
                points = choose_keypoint_extractor(self._clips, request)
                self._add("keypoints", points.extractor, points.reason)
            else:
                self._add("keypoints", people)
            person = choose_embedding_extractor(self._clips, request)
            self._add("identity", person.extractor, person.reason)
        else:
            self._add("keypoints", open_keypoint_extractor(data_set.extractor, request))
            self._add("identity", open_embedding_extractor(data_set.extractor, request))

    def _add(self, role: Role, extractor: Extractor | None, reason: str = "") -> None:
        """Add the metric of an extractor, which sees the real frames of all models only once."""
        self.extractors[role] = reason if extractor is None else extractor.info.name
        if isinstance(extractor, KeypointExtractor) and role == "keypoints":
            extract = remembered(extractor.keypoints)
        elif isinstance(extractor, EmbeddingExtractor):
            extract = remembered(extractor.embeddings)
        else:
            return
        self._metrics.append(ExtractorMetric(role, extractor.info, extract))

    def score(
        self, model: AnimationModel, before_video: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Return the scores of a model as JSON: of the videos, and of its keypoints and candidates.

        Every video is reconstructed from its first frame.

        Args:
            model: the model, on the device.
            before_video: called before each video; it may raise to end the scoring.
        """
        model.eval()
        videos = []
        for clip in self._clips:
            before_video()
            videos.append(self._score_video(model, clip))
        add_shares(videos)
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
        size, device = model.frame_size, self._device
        images = torch.cat([to_model_input(frame, size, device) for frame in frames])
        parts = [reconstruct_part(model, images[:1], part) for part in images.split(_BATCH)]
        real = np.stack(to_frames(images))
        generated = np.stack(to_frames(torch.cat([p.generated for p in parts])))
        sums = _compare([self._quality, *self._metrics], real, generated)
        if clip not in self._static:
            found = _compare(self._metrics, real, np.repeat(real[:1], len(real), axis=0))
            self._static[clip] = {f"{STATIC}{name}": values for name, values in found.items()}
        sums |= self._static[clip]
        sums["still"] = _sum(_static_error(real))
        for name in parts[0].values:
            sums[name] = _sum(torch.cat([p.values[name] for p in parts]).tolist())
        keypoints = torch.cat([p.keypoints for p in parts]).double().cpu().numpy()
        weights = torch.stack([p.weights for p in parts]).sum(0).cpu()
        return Video(clip.stem, sums, weights, keypoints, truth)

    def _fixed_pairs(self, size: int) -> tuple[Tensor, Tensor]:
        """Return the first and the middle frame of the first videos."""
        pairs = []
        for clip in self._clips[:_GRADIENT_PAIRS]:
            opened = open_clip(clip)
            chosen = [0, len(opened) // 2]
            pairs.append([to_model_input(f, size, self._device) for f in opened.read(chosen)])
        source, driving = (torch.cat(side) for side in zip(*pairs, strict=True))
        return source, driving


@dataclass
class Part:
    """What a model makes of some frames of a video."""

    generated: Tensor  # (B, 3, S, S)
    keypoints: Tensor  # (B, N, 2)
    weights: Tensor  # (K,)
    values: dict[str, Tensor]  # (B,) each
    """Measures of the candidate motions by name."""


@torch.inference_mode()
def reconstruct_part(
    model: AnimationModel,
    source: Tensor,  # (1, 3, S, S)
    images: Tensor,  # (B, 3, S, S)
) -> Part:
    """Reconstruct some frames of a video from its first one, and measure the candidates."""
    sources = source.expand_as(images)
    keypoints = model.keypoints(images)
    kp_source = model.keypoints(source).expand_as(keypoints)
    motion = model.motion(sources, kp_source, keypoints, model.background(sources, images))
    shift = motion.deformation - identity_grid(*motion.deformation.shape[1:3], device=images.device)
    moving = shift.norm(dim=-1) * 64 / 2 > _MOVING_PIXELS
    residuals = fit_residuals(model, kp_source, keypoints)
    values = {"fit_residual": residuals.local, **warp_errors(model, sources, images, motion)}
    if residuals.overall is not None:
        values["global_residual"] = residuals.overall
    return Part(
        model.generate(sources, motion),
        positions(keypoints),
        (motion.contribution_maps * moving[:, None]).sum((0, 2, 3)),
        values,
    )


def remembered(extract: Callable[[Frames], Values]) -> Callable[[Frames], Values]:
    """Return a function that extracts from equal frames once; what it keeps is small."""
    known: dict[bytes, Values] = {}

    def recall(frames: Frames) -> Values:
        key = hashlib.sha256(frames.tobytes()).digest()
        if key not in known:
            known[key] = extract(frames)
        return known[key]

    return recall


def _compare(metrics: Sequence[VideoMetric], real: Frames, generated: Frames) -> Sums:
    """Return the sum of each metric over the frames of a video, and their number."""
    evaluation = Evaluation(metrics)
    evaluation.start_video("")
    evaluation.update(real, generated)
    tallies = evaluation.end_video().sums.tallies
    return {name: (tally.total, tally.count) for name, tally in tallies.items()}


def _static_error(frames: Frames) -> list[float]:
    first = frames[0].astype(np.float64)
    return [float(np.abs(frame - first).mean() / 255) for frame in frames]


def _sum(values: Sequence[float]) -> tuple[float, int]:
    return float(np.sum(values)), len(values)
