"""Detection of all subjects in a few frames."""

from collections.abc import Callable, Sequence

import numpy as np

from cpabmm_core.data.preprocess.boxes import Box, scale
from cpabmm_core.data.preprocess.raw.frames import SceneFrame, shrink
from cpabmm_core.metrics.extractors import SubjectDetector

Detect = Callable[[Sequence[SceneFrame]], list[list[Box]]]
"""Returns the boxes of each frame, largest first, in pixels of the frame."""

_FACE_SIZE = 128


def make_detect(detector: SubjectDetector, *, smallest: int | None = None) -> Detect:
    """Create a function that detects subjects in full frames.

    Args:
        detector: the detector.
        smallest: side of the smallest relevant face, in pixels. Frames are shrunk until this face
            has 128 pixels, which suffice to detect it; at 256, detection takes four times as long.
            None keeps the size of the frames.
    """
    factor = min(1.0, _FACE_SIZE / smallest) if smallest else 1.0

    def detect(frames: Sequence[SceneFrame]) -> list[list[Box]]:
        images = np.stack([shrink(frame.image, factor) for frame in frames])
        zoom = max(frames[0].image.shape[:2]) / max(images.shape[1:3])
        return [
            [scale(Box(*map(float, box)), zoom) for box in found]
            for found in detector.boxes(images)
        ]

    return detect
