"""Protocols of extractors, which find keypoints, identities or subjects in frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ExtractorInfo:
    """Description of an extractor, part of every result and of the cache key.

    Example:
        >>> ExtractorInfo("brightest", "1", weights="", cost="none").as_dict()
        {'name': 'brightest', 'version': '1', 'weights': '', 'options': {}}
    """

    name: str
    """Name of the extractor, without options."""
    version: str
    """Version of the protocol and of the libraries that affect the result."""
    weights: str
    """SHA-256 of the weights in hexadecimal; one hash for several files."""
    cost: str
    """Size of the weights and time per frame, in words, with the machine."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options that affect the result."""
    terms: str | None = None
    """Restrictions in the licence of the weights or their training data; None for none."""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of a JSON document."""
        return {
            "name": self.name,
            "version": self.version,
            "weights": self.weights,
            "options": dict(self.options),
        }


class Extractor(Protocol):
    """The common part of all extractors; one class may implement several kinds.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request, open_keypoint_extractor
        >>> open_keypoint_extractor("puppets", Request(device="cpu")).info.name
        'puppets'
    """

    @property
    def info(self) -> ExtractorInfo:
        """The description of the extractor."""
        ...


@runtime_checkable
class KeypointExtractor(Extractor, Protocol):
    """An extractor that finds the keypoints of the one subject of each frame.

    Example:
        >>> class Centre:
        ...     info = ExtractorInfo("centre", "1", weights="", cost="none")
        ...
        ...     def keypoints(self, frames):
        ...         height, width = frames.shape[1:3]
        ...         centre = ((width - 1) / 2, (height - 1) / 2)
        ...         return np.tile(centre, (len(frames), 1, 1))
        >>> isinstance(Centre(), KeypointExtractor)
        True
    """

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, J, 2)
        """Return keypoints (x, y) in pixels; NaN marks a missing one.

        Each frame must be processed on its own, so that results do not depend on batching.

        Convention: pixel centres lie at integers, x points right, y points down.
        """
        ...


@runtime_checkable
class EmbeddingExtractor(Extractor, Protocol):
    """An extractor that describes the identity of the one subject of each frame.

    Example:
        >>> class MeanColour:
        ...     info = ExtractorInfo("mean-colour", "1", weights="", cost="none")
        ...
        ...     def embeddings(self, frames):
        ...         return frames.mean(axis=(1, 2))
        >>> isinstance(MeanColour(), EmbeddingExtractor)
        True
    """

    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Return embeddings; a row of NaN marks a frame without a subject.

        Each frame must be processed on its own, so that results do not depend on batching.
        """
        ...


@runtime_checkable
class SubjectDetector(Extractor, Protocol):
    """An extractor that finds all subjects of each frame, for preprocessing.

    Example:
        >>> class WholeFrame:
        ...     info = ExtractorInfo("whole-frame", "1", weights="", cost="none")
        ...
        ...     def boxes(self, frames):
        ...         height, width = frames.shape[1:3]
        ...         return [np.array([[0.0, 0.0, width, height]]) for _ in frames]
        >>> isinstance(WholeFrame(), SubjectDetector)
        True
    """

    def boxes(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> list[NDArray[np.float64]]:  # F arrays (N, 4)
        """Return boxes (left, top, right, bottom) in pixels, largest first; N may be 0.

        Convention: pixel edges, so the whole frame is (0, 0, W, H). Boxes may exceed the frame.
        """
        ...


@dataclass(frozen=True)
class Request:
    """Settings with which an extractor is opened.

    Example:
        >>> Request({"weights": "2dfan4.pt"}, device="cpu", allow_download=False).device
        'cpu'
    """

    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the name: ``faces?weights=2dfan4.pt`` gives ``{"weights": "2dfan4.pt"}``."""
    device: str = "auto"
    """Device of PyTorch networks: auto, cpu, cuda, cuda:N or mps."""
    allow_download: bool = True
    """Whether missing weights may be downloaded."""
    announce: Callable[[str], None] = lambda _: None
    """Receives status messages: downloads before they start, and limits of a metric."""
