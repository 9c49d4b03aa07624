"""From the uncompressed bytes of a TIFF page to samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.pictures.tiff_layout import Layout, UnreadLayoutError

_NONE, _DIFFERENCES, _FLOATS = 1, 2, 3


def to_samples(
    data: NDArray[np.uint8],  # (rows, bytes): blocks next to each other, each of whole bytes
    layout: Layout,
) -> NDArray[Any]:
    """Interpret bytes as samples.

    Args:
        data: the uncompressed bytes of rows.
        layout: how the page stores its pixels.

    Returns:
        (rows, W, S) in native byte order; S is 1 if each sample has a plane of its own.
    """
    per_block = layout.samples_per_block
    rows, width = data.shape[0], layout.block[0]
    across = -(-layout.size[0] // width)
    blocks = data.reshape(rows, across, -1)
    if layout.predictor == _FLOATS:
        values = _from_float_differences(blocks, layout, per_block)
    else:
        values = _from_bytes(blocks, layout)[..., : width * per_block]
        values = values.reshape(rows, across, width, per_block)
        if layout.predictor == _DIFFERENCES:
            values = _sum_up(values, layout)
    return values.reshape(rows, across * width, per_block)[:, : layout.size[0]]


def _from_bytes(blocks: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    if layout.bits == layout.dtype.itemsize * 8:
        stored = layout.dtype.newbyteorder(layout.byte_order)
        return np.ascontiguousarray(blocks).view(stored).astype(layout.dtype)
    bits = np.unpackbits(blocks, axis=-1)
    count = bits.shape[-1] // layout.bits
    bits = bits[..., : count * layout.bits].reshape(*bits.shape[:-1], count, layout.bits)
    values = np.zeros(bits.shape[:-1], dtype=layout.dtype)
    for bit in range(layout.bits):
        values = values << 1 | bits[..., bit]
    return values.astype(layout.dtype)


def _sum_up(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    if layout.bits != layout.dtype.itemsize * 8:
        raise UnreadLayoutError(f"of differences of {layout.bits} bits")
    whole = values.view(f"u{layout.dtype.itemsize}")
    return np.cumsum(whole, axis=2, dtype=whole.dtype).view(layout.dtype)


def _from_float_differences(
    blocks: NDArray[np.uint8], layout: Layout, per_block: int
) -> NDArray[Any]:
    """Undo the floating-point predictor (Adobe TIFF Technical Note 3)."""
    if layout.dtype.kind != "f":
        raise UnreadLayoutError("of integers with the predictor of floating-point numbers")
    rows, across, _ = blocks.shape
    size, width = layout.dtype.itemsize, layout.block[0]
    summed = np.cumsum(blocks.reshape(rows, across, -1, per_block), axis=2, dtype=np.uint8)
    planes = summed.reshape(rows, across, size, width * per_block)  # most significant byte first
    values = np.ascontiguousarray(np.moveaxis(planes, 2, 3)).view(f">f{size}")
    return values.astype(layout.dtype).reshape(rows, across, width, per_block)
