"""An extractor with a closed form, installed through an entry point."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors import ExtractorInfo, Request, registry

NAME = "brightness"


class Brightness:
    """The keypoint (mean of red, mean of green), and the mean of each channel as embedding."""

    info = ExtractorInfo(NAME, "1", "00" * 32, "nothing")

    def keypoints(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self.embeddings(frames)[:, None, :2]

    def embeddings(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = frames.mean(axis=(1, 2), dtype=np.float64)
        return means


def open_extractor(_: Request) -> Brightness:
    return Brightness()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `NAME` the only installed extractor."""
    point = EntryPoint(NAME, f"{__name__}:open_extractor", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: (point,))
