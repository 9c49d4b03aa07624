"""Contribution maps: the candidate motions, each in a colour of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.visualize.canvas import Colour, Picture, hues

_BACKGROUND: Colour = (115, 115, 115)
_GLOBAL: Colour = (255, 255, 255)
_PICTURE_SHARE = 0.35  # of the picture below the colours


def candidate_colours(count: int, groups: int | None = None) -> list[Colour]:
    """Return one colour per candidate motion.

    The background is grey. Each group has the colour that `overlay_keypoints` gives its keypoints.
    A global candidate, the last one if there are more than groups, is white.

    Args:
        count: number K of candidates, background first.
        groups: number of groups of keypoints; None means one for each candidate but the background.

    Example:
        >>> candidate_colours(4, groups=2)[0], candidate_colours(4, groups=2)[-1]
        ((115, 115, 115), (255, 255, 255))
    """
    moving = count - 1
    coloured = moving if groups is None else min(groups, moving)
    return [_BACKGROUND, *hues(max(coloured, 1))[:coloured], *[_GLOBAL] * (moving - coloured)]


def plot_contributions(
    weights: NDArray[Any],  # (K, H, W) in [0, 1]
    *,
    groups: int | None = None,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (H, W, 3)
    """Render contribution maps as one picture that mixes the colours of the candidates.

    Args:
        weights: the weight of each candidate at each position, background first; they sum to 1.
        groups: number of groups of keypoints, see `candidate_colours`.
        image: a picture of the same size, shown in grey below the colours; None leaves it out.

    Returns:
        The picture.

    Example:
        >>> weights = np.zeros((3, 1, 2))
        >>> weights[0, 0, 0] = weights[1, 0, 1] = 1  # the background, and the first group
        >>> plot_contributions(weights, groups=2).tolist()
        [[[115, 115, 115], [255, 38, 38]]]
    """
    colours = np.array(candidate_colours(len(weights), groups), np.float64)
    mixed = np.tensordot(np.asarray(weights, np.float64), colours, axes=(0, 0))
    if image is not None:
        grey = image.mean(axis=-1, keepdims=True)
        mixed = (1 - _PICTURE_SHARE) * mixed + _PICTURE_SHARE * grey
    picture: Picture = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
    return picture
