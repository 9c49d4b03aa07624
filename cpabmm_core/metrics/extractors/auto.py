"""Which extractor suits a set of real videos, of those that are at hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import CheckpointError, ConfigError, ResourceError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.image import IMAGE_SUFFIXES, read_image
from cpabmm_core.metrics.extractors.interface import (
    EmbeddingExtractor,
    Extractor,
    KeypointExtractor,
    Request,
)
from cpabmm_core.metrics.extractors.puppet_joints import has_puppet_joints
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
_MOST = 0.5


@dataclass(frozen=True)
class Choice(Generic[_E]):
    """An extractor of keypoints or of identities; None, and why, if none is at hand."""

    extractor: _E | None
    reason: str
    """In words, for one line."""


def choose_keypoints(videos: Sequence[Path], request: Request) -> Choice[KeypointExtractor]:
    """The extractor of keypoints for a set of real videos; downloads nothing.

    Puppets' own where the joints of puppets lie beside the videos; else one of faces, if it finds
    one in most of the sampled frames; else that of bodies.

    Raises:
        ConfigError: the extractor of puppets cannot be opened.
        DataError: a video that is sampled is damaged.
        MediaError: it is missing.
    """
    local = replace(request, allow_download=False)
    if _are_puppets(videos):
        return Choice(
            open_keypoint_extractor(PUPPETS, local), "joints of puppets lie beside the videos"
        )
    frames = _Samples(videos)
    tried = []
    for name in (*_FACES, _BODIES):
        extractor, why_not = _opened(open_keypoint_extractor, name, local)
        if extractor is None:
            tried.append(why_not)
        elif name == _BODIES:
            return Choice(extractor, "no face was found in most frames, and its weights are here")
        elif frames.share_with(extractor.keypoints) > _MOST:
            return Choice(extractor, "it finds a face in most frames")
        else:
            tried.append(f"{name} finds no face in most frames")
    return Choice(None, "; ".join(tried))


def choose_identity(videos: Sequence[Path], request: Request) -> Choice[EmbeddingExtractor]:
    """The extractor of identities for a set of real videos; like `choose_keypoints`.

    That of puppets or of faces. ``dino`` is never chosen by itself: it sees likeness, not identity.
    """
    local = replace(request, allow_download=False)
    if _are_puppets(videos):
        return Choice(
            open_embedding_extractor(PUPPETS, local), "joints of puppets lie beside the videos"
        )
    extractor, why_not = _opened(open_embedding_extractor, _FACE_IDENTITY, local)
    if extractor is not None:
        if _Samples(videos).share_with(extractor.embeddings) > _MOST:
            return Choice(extractor, "it finds a face in most frames")
        why_not = f"{_FACE_IDENTITY} finds no face in most frames"
    return Choice(
        None, f"{why_not}; dino, which sees likeness rather than identity, must be asked for"
    )


def _are_puppets(videos: Sequence[Path]) -> bool:
    return any(has_puppet_joints(video) for video in videos)


def _opened(
    opener: Callable[[str, Request], _E], name: str, request: Request
) -> tuple[_E | None, str]:
    """The extractor, or why it is not at hand."""
    try:
        return opener(name, request), ""
    except (ConfigError, CheckpointError, ResourceError) as error:
        return None, str(error)


class _Samples:
    """Frames from all over a set of videos."""

    def __init__(self, videos: Sequence[Path]) -> None:
        self._videos = videos
        self._stacks: list[NDArray[np.uint8]] | None = None

    def share_with(self, find: Callable[[NDArray[np.uint8]], NDArray[np.float64]]) -> float:
        """Share of the frames in which something is found."""
        if self._stacks is None:
            self._stacks = list(_sampled(self._videos))
        found = [not np.isnan(values).all() for stack in self._stacks for values in find(stack)]
        return sum(found) / len(found)


def _sampled(videos: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    """Stacks (F, H, W, 3): up to 16 frames in all, from videos and places spread evenly."""
    count = min(_SAMPLES, len(videos))
    for number in range(count):
        video = videos[number * len(videos) // count]
        yield np.stack(_spread_frames(video, _SAMPLES // count))


def _spread_frames(video: Path, count: int) -> list[NDArray[np.uint8]]:
    if video.suffix.lower() in IMAGE_SUFFIXES and not video.is_dir():
        image = read_image(video)
        height, width = image.shape[:2]
        if width % height or width < 2 * height:
            return [image]
    clip = open_clip(video)
    length = len(clip)
    numbers = {(2 * k + 1) * length // (2 * count) for k in range(count)}
    return clip.read(sorted(numbers))
