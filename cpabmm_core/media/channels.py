"""The number of channels of a frame: 3, or 4 with transparency."""

import numpy as np

from cpabmm_core.arrays import Frame


def with_channels(
    image: Frame,  # (H, W, 3|4)
    count: int,
) -> Frame:  # (H, W, count)
    """Return a frame with a number of channels, so that all frames of a sequence have the same.

    Transparent pixels are composited onto white, and an opaque frame becomes opaque pixels.

    Example:
        >>> with_channels(np.zeros((1, 1, 4), dtype=np.uint8), 3).tolist()
        [[[255, 255, 255]]]
    """
    if image.shape[2] == count:
        return image
    if count == 4:
        return np.dstack([image, np.full(image.shape[:2], 255, dtype=np.uint8)])
    alpha = image[..., 3:].astype(np.uint16)
    colour = image[..., :3].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
