"""The bounding box of moving regions in front of a fixed camera, without a network."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cpabmm_core.data.preprocess.boxes import Box, enclose, scale
from cpabmm_core.data.preprocess.raw.frames import to_small_grey

_LONGER_SIDE = 160
_MAX_SAMPLES = 128
_MIN_CHANGE = 12.0
"""In grey levels. Compression artefacts of a static background stay below this value."""
_NOISE_FACTOR = 4.0
_MAD_TO_SIGMA = 1.4826
_DILATIONS = 2
"""Regions at most twice this many pixels apart are merged."""
_MIN_AREA_SHARE = 0.1
"""Smaller regions, relative to the largest, are ignored."""
_SQUARE = np.ones((3, 3), dtype=bool)


class MotionBox:
    """Finds the bounding box of all motion in a clip, frame by frame and in constant memory.

    The background is the median of at most 128 evenly spaced frames. A pixel counts as moving if in
    *any* frame it differs from all background pixels within a distance of one pixel by more than
    the noise, in the same direction. An edge that jitters by one pixel therefore does not count.
    Specks and small regions are ignored.
    """

    def __init__(self) -> None:
        self._samples: list[NDArray[np.uint8]] = []
        self._stride = 1
        self._count = 0
        self._scale = 1.0
        self._lowest: NDArray[np.uint8] | None = None
        self._highest: NDArray[np.uint8] | None = None

    def add(
        self,
        image: NDArray[np.uint8],  # (H, W, 3)
    ) -> None:
        """Add the next frame."""
        grey = to_small_grey(image, _LONGER_SIDE)
        self._scale = max(image.shape[:2]) / max(grey.shape)
        if self._lowest is None or self._highest is None:
            self._lowest, self._highest = grey, grey
        else:
            self._lowest = np.minimum(self._lowest, grey)
            self._highest = np.maximum(self._highest, grey)
        if self._count % self._stride == 0:
            self._samples.append(grey)
        self._count += 1
        if len(self._samples) > _MAX_SAMPLES:
            self._samples, self._stride = self._samples[::2], 2 * self._stride

    def find(self) -> tuple[Box | None, float]:
        """Return the box of all motion, or None, and the share of the frame that moves."""
        if self._lowest is None or self._highest is None:
            return None, 0.0
        samples = np.stack(self._samples)  # (S, h, w)
        background = np.median(samples, axis=0)  # (h, w)
        spread = _MAD_TO_SIGMA * np.median(np.abs(samples - background), axis=0)
        limit = max(_MIN_CHANGE, _NOISE_FACTOR * float(np.median(spread)))
        lighter = self._highest - ndimage.maximum_filter(background, 3)
        darker = ndimage.minimum_filter(background, 3) - self._lowest
        moved = ndimage.binary_opening(np.maximum(lighter, darker) > limit, _SQUARE)
        if not moved.any():
            return None, 0.0
        joined = ndimage.binary_dilation(moved, _SQUARE, iterations=_DILATIONS)
        labels, count = ndimage.label(joined, _SQUARE)
        labels = np.where(moved, labels, 0)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        boxes = [
            Box(columns.start, rows.start, columns.stop, rows.stop)
            for (rows, columns), area in zip(ndimage.find_objects(labels), areas, strict=True)
            if area >= _MIN_AREA_SHARE * areas.max()
        ]
        return scale(enclose(boxes), self._scale), float(moved.mean())
