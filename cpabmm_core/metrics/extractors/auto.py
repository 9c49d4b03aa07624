"""Automatic choice of an installed extractor for a set of real videos."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import CheckpointError, ConfigError, ResourceError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.content import is_still
from cpabmm_core.media.image import read_image
from cpabmm_core.metrics.extractors.interface import (
    EmbeddingExtractor,
    Extractor,
    KeypointExtractor,
    Request,
)
from cpabmm_core.metrics.extractors.puppets.joints import has_puppet_joints
from cpabmm_core.metrics.extractors.registry import (
    open_embedding_extractor,
    open_keypoint_extractor,
)

_E = TypeVar("_E", bound=Extractor)
AUTO = "auto"
PUPPETS = "puppets"
_FACES = ("faces", "faces-dlib")
_FACE_IDENTITY = "faces-dlib"
_BODIES = "bodies"
_SAMPLES = 16
_MAJORITY = 0.5
_PUPPETS_REASON = "puppet joints lie next to the videos"
_FACES_REASON = "it finds a face in most frames"


@dataclass(frozen=True)
class Choice(Generic[_E]):
    """The chosen extractor, or None, and the reason."""

    extractor: _E | None
    reason: str
    """The reason in words, without a full stop."""


def choose_keypoint_extractor(
    videos: Sequence[Path], request: Request
) -> Choice[KeypointExtractor]:
    """Choose the keypoint extractor for a set of real videos, without downloads.

    The choice is ``puppets`` if puppet joints lie next to the videos, else the first face extractor
    that finds a face in most sampled frames, else ``bodies`` if its weights are present.

    Raises:
        ConfigError: the puppet extractor cannot be opened.
        DataError: a sampled video is damaged.
        MediaError: a sampled video is missing.
    """
    offline = replace(request, allow_download=False)
    if _are_puppets(videos):
        return Choice(open_keypoint_extractor(PUPPETS, offline), _PUPPETS_REASON)
    samples = _Samples(videos)
    rejected = []
    for name in (*_FACES, _BODIES):
        extractor, trouble = _try_open(open_keypoint_extractor, name, offline)
        if extractor is None:
            rejected.append(trouble)
        elif name == _BODIES:
            return Choice(extractor, "most frames show no face, and its weights are present")
        elif samples.detection_rate(extractor.keypoints) > _MAJORITY:
            return Choice(extractor, _FACES_REASON)
        else:
            rejected.append(f"{name} finds no face in most frames")
    return Choice(None, "; ".join(rejected))


def choose_embedding_extractor(
    videos: Sequence[Path], request: Request
) -> Choice[EmbeddingExtractor]:
    """Choose the identity extractor for a set of real videos, without downloads.

    The choice is ``puppets`` if puppet joints lie next to the videos, else ``faces-dlib`` if it
    finds a face in most sampled frames. It is never ``dino``, which measures similarity rather
    than identity.

    Raises:
        ConfigError: the puppet extractor cannot be opened.
        DataError: a sampled video is damaged.
        MediaError: a sampled video is missing.
    """
    offline = replace(request, allow_download=False)
    if _are_puppets(videos):
        return Choice(open_embedding_extractor(PUPPETS, offline), _PUPPETS_REASON)
    extractor, trouble = _try_open(open_embedding_extractor, _FACE_IDENTITY, offline)
    if extractor is not None:
        if _Samples(videos).detection_rate(extractor.embeddings) > _MAJORITY:
            return Choice(extractor, _FACES_REASON)
        trouble = f"{_FACE_IDENTITY} finds no face in most frames"
    return Choice(
        None,
        f"{trouble}; dino is never chosen automatically: it measures similarity, not identity",
    )


def _are_puppets(videos: Sequence[Path]) -> bool:
    return any(has_puppet_joints(video) for video in videos)


def _try_open(
    opener: Callable[[str, Request], _E], name: str, request: Request
) -> tuple[_E | None, str]:
    """Return the extractor, or None and the reason why it is unavailable."""
    try:
        return opener(name, request), ""
    except (ConfigError, CheckpointError, ResourceError) as error:
        return None, str(error)


class _Samples:
    """Frames sampled evenly from a set of videos, read on first use."""

    def __init__(self, videos: Sequence[Path]) -> None:
        self._videos = videos
        self._stacks: list[NDArray[np.uint8]] | None = None

    def detection_rate(self, extract: Callable[[NDArray[np.uint8]], NDArray[np.float64]]) -> float:
        """Return the share of the frames in which the extractor finds anything."""
        if self._stacks is None:
            self._stacks = list(_sample_frames(self._videos))
        found = [not np.isnan(values).all() for stack in self._stacks for values in extract(stack)]
        return sum(found) / len(found)


def _sample_frames(videos: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    """Yield stacks (F, H, W, 3) of up to 16 frames in all, spread evenly over videos and time."""
    count = min(_SAMPLES, len(videos))
    for index in range(count):
        video = videos[index * len(videos) // count]
        yield np.stack(_read_spaced_frames(video, _SAMPLES // count))


def _read_spaced_frames(video: Path, count: int) -> list[NDArray[np.uint8]]:
    if is_still(video):
        image = read_image(video)
        height, width = image.shape[:2]
        if width % height or width < 2 * height:
            return [image]
    clip = open_clip(video)
    length = len(clip)
    numbers = {(2 * k + 1) * length // (2 * count) for k in range(count)}
    return clip.read(sorted(numbers))
