"""Pasting a rendered part back into the whole picture, without a seam."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.arrays import Array, Frame
from cpabmm_core.errors import ShapeError
from cpabmm_core.inference.regions import Framing, Region

_FEATHER = 1 / 16
"""The width of the feather, as a share of the shorter side of the region."""
_OPAQUE = 256
"""The weight of the result where it replaces the picture: weights are in 256ths."""

Weights = NDArray[np.uint16]
"""Weights of the result in 256ths, (H, W)."""


def paste_back(
    whole: Frame,  # (H, W, 3 or 4)
    result: Frame,  # (h, w, 3 or 4), of any size
    framing: Framing,
) -> Frame:  # (H, W, 3 or 4)
    """Put the animated part into the whole picture, with a feathered edge.

    The result replaces the picture inside the region. Along the edges of the region, over a
    sixteenth of its shorter side, the two blend into each other, so no seam shows. Where the region
    touches the edge of the picture there is nothing to blend with, and the result reaches it. If
    the result equals the region, the picture remains exactly as it was.

    The weights of the blend are kept between calls, as for the frames of a video.

    Args:
        whole: the picture, RGB or RGBA. It is not changed.
        result: the rendered region, for example from `Framing.uncover`, with as many channels. It
            is resized to the region.
        framing: the framing of the picture.

    Returns:
        A picture of the size of `whole`.

    Raises:
        ShapeError: the channels differ, or the region does not lie inside the picture.

    Example:
        >>> from cpabmm_core.inference import Region, frame_region
        >>> framing = frame_region(64, 48, Region(8, 8, 32, 32))
        >>> whole = np.zeros((48, 64, 3), np.uint8)
        >>> pasted = paste_back(whole, np.full((96, 96, 3), 200, np.uint8), framing)
        >>> pasted[24, 6:14, 0].tolist(), pasted[24, 24, 0]
        ([0, 0, 31, 169, 200, 200, 200, 200], np.uint8(200))
    """
    region = framing.region
    _check(whole, result, region)
    result = _resize(result, region.width, region.height)
    pasted = whole.copy()
    part = pasted[region.top : region.top + region.height, region.left : region.left + region.width]
    blend = _blend if whole.shape[2] == 3 else _blend_transparent
    weights, inner = _weights(region, whole.shape[1], whole.shape[0])
    for strip in _strips(inner, region):
        part[strip] = blend(part[strip], result[strip], weights[strip][..., None])
    part[inner] = result[inner]
    return pasted


def _check(whole: Frame, result: Frame, region: Region) -> None:
    height, width = whole.shape[:2]
    if whole.ndim != 3 or result.ndim != 3 or whole.shape[2] != result.shape[2]:
        raise ShapeError(
            f"result: expected as many channels as the picture, got {result.shape}"
            f" for a picture of {whole.shape}"
        )
    right, bottom = region.left + region.width, region.top + region.height
    if region.left < 0 or region.top < 0 or right > width or bottom > height:
        raise ShapeError(
            f"whole: expected a picture that contains the region {region},"
            f" got {width} x {height} pixels"
        )


def _resize(image: Frame, width: int, height: int) -> Frame:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


@lru_cache(maxsize=4)
def _weights(region: Region, width: int, height: int) -> tuple[Weights, tuple[slice, slice]]:
    """Return the weights of the result, and the rows and columns where it is opaque."""
    feather = max(1, round(_FEATHER * min(region.width, region.height)))
    y, rows = _ramp(region.top, region.height, height, feather)
    x, columns = _ramp(region.left, region.width, width, feather)
    weights = np.rint(_OPAQUE * y[:, None] * x).astype(np.uint16)
    weights.flags.writeable = False
    return weights, (rows, columns)


def _ramp(start: int, count: int, size: int, feather: int) -> tuple[Array, slice]:
    """Return weights in [0, 1] along one axis, and where they are 1.

    They rise smoothly over `feather` pixels from either end that is not an edge of the picture.
    """
    distance = np.full(count, float(feather))
    centres = np.arange(count) + 0.5
    if start > 0:
        distance = np.minimum(distance, centres)
    if start + count < size:
        distance = np.minimum(distance, centres[::-1])
    share = distance / feather
    first = min(feather, count) if start > 0 else 0
    last = max(count - feather, first) if start + count < size else max(count, first)
    return share * share * (3 - 2 * share), slice(first, last)


def _strips(inner: tuple[slice, slice], region: Region) -> list[tuple[slice, slice]]:
    """Return the four strips of the region around its opaque part: top, bottom, left, right."""
    rows, columns = inner
    return [
        (slice(0, rows.start), slice(0, region.width)),
        (slice(rows.stop, region.height), slice(0, region.width)),
        (rows, slice(0, columns.start)),
        (rows, slice(columns.stop, region.width)),
    ]


def _blend(
    below: Frame,  # (h, w, 3)
    above: Frame,  # (h, w, 3)
    weight: Weights,  # (h, w, 1)
) -> Frame:
    # 255 * 256 + 128 still fits into 16 bits; equal pixels stay exactly as they are.
    mixed = below * (_OPAQUE - weight) + above * weight + np.uint16(_OPAQUE // 2)
    blended: Frame = (mixed >> 8).astype(np.uint8)
    return blended


def _blend_transparent(
    below: Frame,  # (h, w, 4)
    above: Frame,  # (h, w, 4)
    weight: Weights,  # (h, w, 1)
) -> Frame:
    """Blend two pictures with alpha: colours count by how opaque they are."""
    share = weight.astype(np.float32) / _OPAQUE
    lower, upper = below[..., 3:] * (1 - share), above[..., 3:] * share
    alpha = lower + upper
    colours = below[..., :3] * lower + above[..., :3] * upper
    mixed = np.where(alpha > 0, colours / np.maximum(alpha, 1e-6), below[..., :3])
    blended: Frame = np.rint(np.concatenate([mixed, alpha], axis=2)).astype(np.uint8)
    return blended
