"""Convolution of strips of tiles: transform, multiply, transform back, all in cache.

The result is cut into tiles. A strip is a number of tiles in reading order, over all images.
"""

import numpy as np
from numba import njit

from cpabmm_core.arrays import Floats
from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
from cpabmm_core.convolution.product_kernel import multiply
from cpabmm_core.convolution.simd import LANES


@njit(nogil=True)
def _transform_patch(doubled, x, at, row, column, work, result, to, plane):
    if doubled:
        upsampled.transform_patch(x, at, row, column, work, result, to, plane)
    else:
        winograd.transform_patch(x, at, row, column, work, result, to, plane)


@njit(nogil=True)
def _transform_products(doubled, m, at, plane, bias, first, work, result, to, row, column):
    if doubled:
        upsampled.transform_products(m, at, plane, bias, first, work, result, to, row, column)
    else:
        winograd.transform_products(m, at, plane, bias, first, work, result, to, row, column)


@njit(nogil=True)
def _cut_patch(x, at, row, column, y, x_first, height, width, count, patch, size):
    """Copy a patch of up to 16 channels; what lies outside the image is 0."""
    patch[:] = 0
    for i in range(size):
        if 0 <= y + i < height:
            for j in range(size):
                if 0 <= x_first + j < width:
                    source, target = at + i * row + j * column, (size * i + j) * LANES
                    for c in range(count):
                        patch[target + c] = x[source + c]


@njit(nogil=True)
def _paste_tile(tile, result, to, row, column, rows, columns, count, size):
    for i in range(rows):
        for j in range(columns):
            source, target = (size * i + j) * LANES, to + i * row + j * column
            for c in range(count):
                result[target + c] = tile[source + c]


@njit(nogil=True)
def _prepare(doubled, x, strides, shape, padding, first, count, across, down, space, plane, block):
    size, step = (upsampled.PATCH, upsampled.STEP) if doubled else (winograd.PATCH, winograd.TILE)
    image_step, row, column = strides
    height, width, channels = shape
    work = np.empty(winograd.POSITIONS * LANES, dtype=np.float32)
    patch = np.empty(size * size * LANES, dtype=np.float32)
    for t in range(count):
        index = first + t
        image, place = index // (across * down), index % (across * down)
        y = place // across * step - padding[0]
        left = place % across * step - padding[1]
        at = image * image_step + y * row + left * column
        inside = y >= 0 and left >= 0 and y + size <= height and left + size <= width
        to = t * LANES
        for c in range(0, channels, LANES):
            if inside and c + LANES <= channels:
                _transform_patch(doubled, x, at + c, row, column, work, space, to, plane)
            else:
                present = min(LANES, channels - c)
                _cut_patch(
                    x, at + c, row, column, y, left, height, width, present, patch, size
                )
                _transform_patch(doubled, patch, 0, size * LANES, LANES, work, space, to, plane)
            to += block


@njit(nogil=True)
def _finish(doubled, m, plane, block, bias, first, count, across, down, result, strides, shape):
    size = upsampled.TILE if doubled else winograd.TILE
    image_step, row, column = strides
    height, width, channels = shape
    work = np.empty(winograd.POSITIONS * LANES, dtype=np.float32)
    tile = np.empty(size * size * LANES, dtype=np.float32)
    for t in range(count):
        index = first + t
        image, place = index // (across * down), index % (across * down)
        y, left = place // across * size, place % across * size
        to = image * image_step + y * row + left * column
        rows, columns = min(size, height - y), min(size, width - left)
        at = t * LANES
        for c in range(0, channels, LANES):
            if rows == size and columns == size and c + LANES <= channels:
                _transform_products(doubled, m, at, plane, bias, c, work, result, to + c, row, column)
            else:
                _transform_products(
                    doubled, m, at, plane, bias, c, work, tile, 0, size * LANES, LANES
                )
                present = min(LANES, channels - c)
                _paste_tile(tile, result, to + c, row, column, rows, columns, present, size)
            at += block


@njit(nogil=True, cache=True, error_model="numpy")
def convolve(
    doubled: bool,
    x: Floats,
    x_strides: tuple[int, int, int],
    x_shape: tuple[int, int, int],
    padding: tuple[int, int],
    filters: Floats,
    bias: Floats,
    result: Floats,
    strides: tuple[int, int, int],
    shape: tuple[int, int, int],
    across: int,
    down: int,
    first: int,
    last: int,
    capacity: int,
) -> None:
    """Convolve tiles first..last."""
    positions = upsampled.POSITIONS if doubled else winograd.POSITIONS
    blocks, out_blocks = -(-x_shape[2] // LANES), -(-shape[2] // LANES)
    rows = capacity + capacity % 2  # the smallest register block has two rows
    block = rows * LANES
    # An odd number of cache lines keeps the planes from sharing the same sets of the cache.
    plane = (blocks * capacity | 1) * LANES
    out_plane = (out_blocks * rows | 1) * LANES
    space = np.zeros(positions * plane, dtype=np.float32)
    products = np.empty(positions * out_plane, dtype=np.float32)
    matrix = blocks * out_blocks * LANES * LANES
    for start in range(first, last, capacity):
        count = min(capacity, last - start)
        _prepare(
            doubled, x, x_strides, x_shape, padding, start, count, across, down, space, plane, block
        )
        for p in range(positions):
            multiply(
                space, p * plane, block, count, filters, p * matrix, blocks, out_blocks,
                products, p * out_plane, block,
            )
        _finish(
            doubled, products, out_plane, block, bias, start, count, across, down, result, strides,
            shape,
        )
