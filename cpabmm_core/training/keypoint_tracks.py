"""Keypoints of all frames of a set of clips, detected once, and pairs sampled from them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.augment import sample_flips
from cpabmm_core.data.clip_set import SKIP_CURE, NamedClip
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.inference.frames import batches
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.media.timed_frames import open_frames
from cpabmm_core.progress import StatusCallback

_FRAMES_AT_ONCE = 32
_FEWEST_FRAMES = 2


class KeypointTracks:
    """Keypoints of the frames of all clips in one tensor, from which pairs are sampled.

    Args:
        tracks: keypoints of each clip, followed by those of its mirrored frames if training mirrors
            frames.
        augment: whether pairs are flipped, in time and in space.
        identities: indices of the clips of each identity (`data.identities`). None makes every clip
            an identity of its own.
    """

    def __init__(
        self,
        tracks: Sequence[Tensor],  # clips of (1 or 2, F, N, 2) in [-1, 1]; F differs
        augment: AugmentConfig,
        identities: Sequence[Sequence[int]] | None = None,
    ) -> None:
        groups = identities or [[clip] for clip in range(len(tracks))]
        self._members = np.concatenate([np.asarray(group) for group in groups])
        self._sizes = np.array([len(group) for group in groups])
        self._offsets = np.cumsum(self._sizes) - self._sizes
        self._augment = augment
        self._points = torch.cat([track.flatten(0, 1) for track in tracks])
        self._versions = len(tracks[0])
        self._lengths = np.array([track.shape[1] for track in tracks])
        rows = self._versions * self._lengths
        self._starts = np.cumsum(rows) - rows

    def __len__(self) -> int:
        """Return the number of identities."""
        return len(self._sizes)

    @property
    def clips(self) -> int:
        """The number of clips."""
        return len(self._lengths)

    @property
    def frames(self) -> int:
        """The number of frames of all clips, without their mirror images."""
        return int(self._lengths.sum())

    def pairs(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:  # two of (count, N, 2)
        """Sample the keypoints of two different frames of a clip `count` times, with flips."""
        identities = rng.integers(len(self), size=count)
        chosen = rng.integers(self._sizes[identities])
        clips = self._members[self._offsets[identities] + chosen]
        lengths = self._lengths[clips]
        first = rng.integers(lengths)
        second = (first + rng.integers(1, lengths)) % lengths
        earlier, later = np.minimum(first, second), np.maximum(first, second)
        flips = sample_flips(self._augment, count, rng)
        starts = self._starts[clips] + flips.mirrored * (self._versions - 1) * lengths
        source = starts + np.where(flips.in_time, later, earlier)
        driving = starts + np.where(flips.in_time, earlier, later)
        rows = torch.from_numpy(np.stack((source, driving)))
        kp_source, kp_driving = self._points[rows.to(self._points.device)]
        return kp_source, kp_driving


def detect_tracks(
    inference_model: InferenceModel,
    clips: Sequence[NamedClip],
    config: DataConfig,
    report: StatusCallback,
) -> Iterator[tuple[NamedClip, Tensor]]:  # with each clip (1 or 2, F, N, 2) in [-1, 1]
    """Detect the keypoints of every frame, clip by clip from the first frame to the last.

    Frames are cropped and resized as for animation. If training mirrors frames, keypoints are also
    detected in the mirrored frames, because a detector is not exactly equivariant to mirroring. The
    other augmentations (colour and scale) are omitted.

    Args:
        inference_model: the model, on its device.
        clips: the clips. Damaged ones are skipped.
        config: whether to mirror, and what to do about damaged clips.
        report: receives a line about each damaged clip.

    Yields:
        Each clip with its keypoints.

    Raises:
        DataError: a clip is damaged and ``data.on_error`` is ``refuse``, or all clips are damaged.
    """
    damaged = 0
    for clip in clips:
        try:
            track = _detect(inference_model, clip, mirror=config.augment.horizontal_flip)
        except (DataError, MediaError) as error:
            if config.on_error == "refuse":
                raise DataError(f"{error}; or {SKIP_CURE}") from None
            report(f"unusable clip: {error}")
            damaged += 1
        else:
            yield clip, track
    if damaged == len(clips):
        raise DataError(f"{clips[0].path}: damaged, like all the other clips; replace them")


@torch.no_grad()
def _detect(
    inference_model: InferenceModel, clip: NamedClip, *, mirror: bool
) -> Tensor:  # (1 or 2, F, N, 2) in [-1, 1]
    found = []
    frames = (frame.image for frame in open_frames(clip.path))
    for batch in batches(frames, _FRAMES_AT_ONCE):
        images = inference_model.to_input(batch)
        versions = [images, images.flip(3)] if mirror else [images]
        detect = inference_model.model.keypoints
        found.append(torch.stack([detect(version) for version in versions]))
    track = torch.cat(found, dim=1)
    if track.shape[1] < _FEWEST_FRAMES:
        raise DataError(f"{clip.path}: has one frame, but a pair needs two; remove it")
    return track
