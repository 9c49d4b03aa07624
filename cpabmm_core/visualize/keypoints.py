"""Overlays of keypoints."""

from typing import Any

from numpy.typing import NDArray

from cpabmm_core.visualize.canvas import Canvas, Picture, hues, image_pixels, overlay


def overlay_keypoints(
    image: Picture,  # (H, W, 3)
    points: NDArray[Any],  # (N, 2) in [-1, 1]
    *,
    groups: int | None = None,
    radius: float | None = None,
) -> Picture:
    """Overlay a dot at every keypoint.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel.

    Args:
        image: the picture; it is not changed.
        points: the keypoints, group after group.
        groups: number of groups; the points of one share a colour. None gives every point its own.
        radius: radius of a dot in pixels; None takes a hundredth of the longer side, at least 1.5.

    Returns:
        A copy of the image with the dots.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((21, 41, 3), np.uint8)
        >>> picture = overlay_keypoints(image, np.array([[0.0, 0.0]]))
        >>> picture[10, 20].max(), picture[0, 0].max()
        (np.uint8(255), np.uint8(0))
    """
    dots = image_pixels(points, image)
    size = radius if radius is not None else max(1.5, max(image.shape[:2]) / 100)
    colours = hues(groups or len(dots))

    def add_dots(canvas: Canvas) -> None:
        for index, dot in enumerate(dots):
            colour = colours[index * len(colours) // len(dots)]
            canvas.dot(dot, size, colour, width=size / 4)

    return overlay(image, add_dots)
