"""What an extractor is: something that finds keypoints or an identity in each frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ExtractorInfo:
    """What a figure was measured with; goes into every report and into the key of the cache."""

    name: str
    """Name by which it was asked for, without its options."""
    version: str
    """Version of the protocol and of the libraries that decide the result."""
    weights: str
    """SHA-256 of the weights, in hexadecimal; of several files, one hash for all of them."""
    cost: str
    """What it takes, in words: size of the weights and time of a frame, and where measured."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options that change the result."""
    terms: str | None = None
    """What the licence of weights or their training data forbids; None if nothing."""

    def as_dict(self) -> dict[str, Any]:
        """What a JSON document says of it."""
        return {
            "name": self.name,
            "version": self.version,
            "weights": self.weights,
            "options": dict(self.options),
        }


class Extractor(Protocol):
    """Common to both kinds. One object may be both."""

    @property
    def info(self) -> ExtractorInfo:
        """What it is."""
        ...


@runtime_checkable
class KeypointExtractor(Extractor, Protocol):
    """Finds the keypoints of the one subject of each frame."""

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, J, 2)
        """Keypoints (x, y) in pixels; NaN where one is missing.

        Each frame is looked at on its own, so the result does not depend on how frames are batched.

        Convention: pixel centres lie at integers, x to the right, y downwards.
        """
        ...


@runtime_checkable
class EmbeddingExtractor(Extractor, Protocol):
    """Describes who the one subject of each frame is."""

    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Embeddings; a row of NaN where there is no subject.

        Each frame is looked at on its own, so the result does not depend on how frames are batched.
        """
        ...


@runtime_checkable
class SubjectDetector(Extractor, Protocol):
    """Finds every subject of each frame, for `preprocess`."""

    def boxes(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> list[NDArray[np.float64]]:  # F of (N, 4)
        """Boxes (left, top, right, bottom) in pixels, the largest first; N may be 0.

        Convention: edges of pixels, so the whole frame is (0, 0, W, H); boxes may leave the frame.
        """
        ...


@dataclass(frozen=True)
class Request:
    """What an extractor is opened with."""

    options: Mapping[str, str] = field(default_factory=dict)
    """The options of its name: ``faces?weights=2dfan4.pt`` gives ``{"weights": "2dfan4.pt"}``."""
    device: str = "auto"
    """For the networks of PyTorch: auto, cpu, cuda, cuda:N or mps."""
    allow_download: bool = True
    """False forbids every download."""
    announce: Callable[[str], None] = lambda _: None
    """Is told, in one line each, before anything is downloaded and what limits a figure."""
