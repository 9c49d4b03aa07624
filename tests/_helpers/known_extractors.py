"""An extractor with exact results: corners, size and brightness of a square on black."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.extractors import ExtractorInfo, Request

BATCHES: list[int] = []
"""Number of frames of each call."""


def square_frame(
    x: int, y: int, *, side: int = 4, grey: int = 255, size: int = 24
) -> NDArray[np.uint8]:
    """Render a bright square on black, with its top left pixel at (x, y)."""
    image = np.zeros((size, size, 3), dtype=np.uint8)
    image[y : y + side, x : x + side] = grey
    return image


def write_frames(folder: Path, frames: list[NDArray[np.uint8]]) -> Path:
    """Write a folder of lossless frames."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_image(folder / f"{number}.png", frame)
    return folder


class Square:
    """Keypoints: top left and bottom right corner. Identity: side and brightness."""

    info = ExtractorInfo("square", "1", "none", "nothing")

    def keypoints(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        BATCHES.append(len(frames))
        return np.array([_corners(frame) for frame in frames])

    def embeddings(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        BATCHES.append(len(frames))
        found = []
        for frame, ((left, _), (right, _)) in zip(frames, map(_corners, frames), strict=True):
            found.append((right - left + 1, np.nan if np.isnan(left) else frame.max() / 255))
        return np.array(found, dtype=np.float64)


def open_square(request: Request) -> Square:
    """The function of the entry point ``square``."""
    return Square()


def install(folder: Path) -> Path:
    """Write the metadata of a package with this extractor into a folder for the path."""
    info = folder / "known-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: known\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[cpabmm.extractors]\nsquare = _helpers.known_extractors:open_square\n"
    )
    return folder


def _corners(frame: NDArray[np.uint8]) -> tuple[tuple[float, float], tuple[float, float]]:
    rows, columns = np.nonzero(frame[..., 0] > 100)
    if not len(rows):
        return (np.nan, np.nan), (np.nan, np.nan)
    return (columns.min(), rows.min()), (columns.max(), rows.max())
