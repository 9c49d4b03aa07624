"""Boxes of all subjects in a few frames, by a detector."""

from collections.abc import Callable, Sequence

import numpy as np

from cpabmm_core.data.preprocess.boxes import Box, scale
from cpabmm_core.data.preprocess.raw.frames import SceneFrame, shrink
from cpabmm_core.metrics.extractors import SubjectDetector

Detect = Callable[[Sequence[SceneFrame]], list[list[Box]]]
"""For each frame its boxes, the largest first, in pixels of the frame."""

_FACE_SIDE = 128


def make_detect(detector: SubjectDetector, *, smallest: int | None = None) -> Detect:
    """Look for subjects with a detector.

    Args:
        detector: finds them.
        smallest: side of the smallest face that matters, in pixels. Frames are shrunk until it
            has 128, which is ample for finding one and four times as fast from 256; None looks at
            frames as they are.
    """
    factor = min(1.0, _FACE_SIDE / smallest) if smallest else 1.0

    def detect(frames: Sequence[SceneFrame]) -> list[list[Box]]:
        images = np.stack([shrink(frame.image, factor) for frame in frames])
        real = max(frames[0].image.shape[:2]) / max(images.shape[1:3])
        return [
            [scale(Box(*map(float, box)), real) for box in found]
            for found in detector.boxes(images)
        ]

    return detect
