"""Keypoints on a picture."""

from typing import Any

from numpy.typing import NDArray

from cpabmm_core.visualize.painting import Pen, Picture, hues, image_pixels, painted


def draw_keypoints(
    image: Picture,  # (H, W, 3)
    points: NDArray[Any],  # (N, 2) in [-1, 1]
    *,
    groups: int | None = None,
    radius: float | None = None,
) -> Picture:
    """The image with a dot at every keypoint.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel.

    Args:
        image: the picture to draw on; it is not changed.
        points: the keypoints, group after group.
        groups: points of one group share a colour; without it every point has its own.
        radius: of a dot, in pixels; by default a hundredth of the longer side, at least 1.5.
    """
    dots = image_pixels(points, image)
    size = radius if radius is not None else max(1.5, max(image.shape[:2]) / 100)
    colours = hues(groups or len(dots))

    def paint(pen: Pen) -> None:
        for index, dot in enumerate(dots):
            colour = colours[index * len(colours) // len(dots)]
            pen.dot(dot, size, colour, width=size / 4)

    return painted(image, paint)
