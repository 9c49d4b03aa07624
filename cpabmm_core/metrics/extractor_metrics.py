"""AKD, MKR and AED from the results of extractors, or of other programs."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors.cache import FrameCache
from cpabmm_core.metrics.extractors.interface import (
    EmbeddingExtractor,
    ExtractorInfo,
    KeypointExtractor,
)
from cpabmm_core.metrics.identity_distance import IdentitySums
from cpabmm_core.metrics.keypoint_distance import KeypointSums
from cpabmm_core.metrics.video_metric import Frames, VideoSums

Role = Literal["keypoints", "identity"]
_Values = NDArray[np.float64]
"""(F, J, 2) keypoints or (F, D) embeddings."""


class FrameSums(Protocol):
    """Sums over the frames of one video: `KeypointSums` or `IdentitySums`."""

    def add(self, real: _Values, generated: _Values) -> None:
        """Add the values of the next frames."""
        ...

    def compute(self) -> VideoSums:
        """Return the sums so far."""
        ...


_SUMS: dict[Role, Callable[[], FrameSums]] = {"keypoints": KeypointSums, "identity": IdentitySums}


class ValueTable(Protocol):
    """Keypoints or embeddings that another program computed, for all videos of both sets."""

    @property
    def info(self) -> ExtractorInfo:
        """The origin of the values."""
        ...

    def values(self, set_name: Literal["real", "generated"], video: str, frames: int) -> _Values:
        """Return the values of a video with this number of frames."""
        ...


class ExtractorMetric:
    """AKD and MKR from detected keypoints, or AED from embeddings: a `VideoMetric`.

    Args:
        role: ``keypoints`` for AKD and MKR, ``identity`` for AED.
        info: description of the extractor.
        extract: function that returns the keypoints or embeddings of frames.
    """

    def __init__(
        self, role: Role, info: ExtractorInfo, extract: Callable[[Frames], _Values]
    ) -> None:
        self.role: str = role
        self.info: ExtractorInfo | None = info
        self._extract = extract
        self._new_sums = _SUMS[role]
        self._sums = self._new_sums()

    def start_video(self, name: str) -> None:
        """Discard the previous video."""
        self._sums = self._new_sums()

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames of the video.

        Raises:
            ShapeError: the extractor returned arrays of different shapes for real and generated
                frames.
        """
        self._sums.add(self._extract(real), self._extract(generated))

    def compute(self) -> VideoSums:
        """Return the sums over the frames since `start_video`."""
        return self._sums.compute()


def keypoint_metric(
    extractor: KeypointExtractor, cache: FrameCache | None = None
) -> ExtractorMetric:
    """Build the metric of AKD and MKR from an extractor.

    Args:
        extractor: finds the keypoints.
        cache: cache of the extractor's results; None computes all of them.

    Returns:
        A metric for `Evaluation`.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request, open_keypoint_extractor
        >>> extractor = open_keypoint_extractor("puppets", Request(device="cpu"))
        >>> keypoint_metric(extractor).role
        'keypoints'
    """
    extract: Callable[[Frames], _Values] = extractor.keypoints
    if cache is not None:
        extract = cache.wrap(extractor.info, "keypoints", extract)
    return ExtractorMetric("keypoints", extractor.info, extract)


def identity_metric(
    extractor: EmbeddingExtractor, cache: FrameCache | None = None
) -> ExtractorMetric:
    """Build the metric of AED from an extractor.

    Args:
        extractor: computes the identity embeddings.
        cache: cache of the extractor's results; None computes all of them.

    Returns:
        A metric for `Evaluation`.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request, open_embedding_extractor
        >>> extractor = open_embedding_extractor("puppets", Request(device="cpu"))
        >>> identity_metric(extractor).role
        'identity'
    """
    extract: Callable[[Frames], _Values] = extractor.embeddings
    if cache is not None:
        extract = cache.wrap(extractor.info, "embeddings", extract)
    return ExtractorMetric("identity", extractor.info, extract)


class PrecomputedMetric:
    """AKD and MKR, or AED, from values in a file: a `VideoMetric` that only counts frames.

    Args:
        role: ``keypoints`` for AKD and MKR, ``identity`` for AED.
        table: the values.
    """

    def __init__(self, role: Role, table: ValueTable) -> None:
        self.role: str = role
        self.info: ExtractorInfo | None = table.info
        self._table = table
        self._new_sums = _SUMS[role]
        self._name, self._frames = "", 0

    def start_video(self, name: str) -> None:
        """Discard the previous video."""
        self._name, self._frames = name, 0

    def update(self, real: Frames, generated: Frames) -> None:
        """Count the next frames of the video."""
        self._frames += len(real)

    def compute(self) -> VideoSums:
        """Return the sums over the frames since `start_video`.

        Raises:
            DataError: the table lacks the video, or holds a different number of frames for it.
        """
        sums = self._new_sums()
        sums.add(
            self._table.values("real", self._name, self._frames),
            self._table.values("generated", self._name, self._frames),
        )
        return sums.compute()
