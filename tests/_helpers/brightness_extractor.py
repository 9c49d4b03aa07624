"""An extractor that a test can compute by hand; opened by name through an entry point."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors import ExtractorInfo, Request, registry

NAME = "brightness"


class Brightness:
    """One keypoint, (mean of red, mean of green), and an embedding of the mean of each channel."""

    info = ExtractorInfo(NAME, "1", "00" * 32, "nothing")

    def keypoints(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self.embeddings(frames)[:, None, :2]

    def embeddings(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = frames.mean(axis=(1, 2), dtype=np.float64)
        return means


def open_extractor(_: Request) -> Brightness:
    return Brightness()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `NAME` be the one extractor that is installed."""
    point = EntryPoint(NAME, f"{__name__}:open_extractor", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: (point,))
