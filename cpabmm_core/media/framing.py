"""Conversion of a frame of any shape to the square that the networks read."""

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame


def square_frame(
    image: Frame,  # (H, W, 3)
    size: int,
) -> Frame:  # (size, size, 3)
    """Crop the largest centred square of a frame and resize it bicubically with antialiasing.

    Cropping preserves proportions, which keypoints and flows rely on. Training, inference and
    metrics all use this function, so a model is used and evaluated on the same 8-bit pixels that it
    was trained on.

    Convention:
        If the number of rows or columns to remove is odd, the additional one is removed at the
        bottom or the right: the square begins at row (H - side) // 2 and column (W - side) // 2.

    Args:
        image: the frame.
        size: side of the result, in pixels.

    Returns:
        A copy, also if the frame already has this size.

    Example:
        >>> square_frame(np.zeros((20, 31, 3), dtype=np.uint8), 10).shape
        (10, 10, 3)
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return square.copy()  # the frame may be a view of a decoder's larger buffer
    resized = Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(resized)
