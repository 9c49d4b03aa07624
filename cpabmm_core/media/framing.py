"""The one way in which a frame of any shape becomes the square that the networks see."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def square_frame(
    image: NDArray[np.uint8],  # (H, W, 3)
    size: int,
) -> NDArray[np.uint8]:  # (size, size, 3), a copy
    """The largest centred square of a frame, resized bicubically with antialiasing (Pillow).

    Cutting keeps proportions, which keypoints and flows rely on; squeezing the frame would not.
    Training, inference and metrics all come here: what a model is used on, and judged by, are the
    same eight-bit pixels that it was trained on, which in training stay in memory as such.

    Convention:
        Of an odd number of rows or columns to cut, the odd one is taken from the bottom or the
        right: the square begins at row (H - side) // 2 and column (W - side) // 2.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return square.copy()  # it may be a window into a larger buffer of a decoder's
    resized = Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(resized)
