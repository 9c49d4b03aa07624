"""Convolution of strips of tiles: transform, multiply, transform back, all in cache.

The result is cut into tiles. A strip is a number of tiles in reading order, over all images.
"""

from numba import njit

from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
from cpabmm_core.convolution.product_kernel import multiply
from cpabmm_core.convolution.simd import (
    LANES,
    Pointer,
    inlined,
    load,
    moved,
    positive,
    splat,
    store,
)

_RUN = 8
"""Most tiles side by side that are transformed together."""
WORK = (winograd.POSITIONS + winograd.PATCH * (winograd.TILE * _RUN + 2)) * LANES
"""Numbers of scratch memory beside the transformed tiles."""


@inlined
def _cut_patches(
    x: Pointer,
    row: int,
    column: int,
    top: int,
    left: int,
    height: int,
    width: int,
    count: int,
    activated: bool,
    scale: Pointer,
    shift: Pointer,
    patch: Pointer,
    rows: int,
    columns: int,
) -> None:
    """Copy a part of up to 16 channels; what lies outside the image is 0."""
    zero = splat(0.0)
    for i in range(rows):
        inside = 0 <= top + i < height
        for j in range(columns):
            source, target = i * row + j * column, (columns * i + j) * LANES
            if not (inside and 0 <= left + j < width):
                store(patch, target, zero)
                continue
            if count == LANES:
                value = load(x, source)
            else:
                store(patch, target, zero)
                for c in range(count):
                    patch[target + c] = x[source + c]
                value = load(patch, target)
            if activated:
                value = positive(value * load(scale, 0) + load(shift, 0))
            store(patch, target, value)


@inlined
def _paste_tile(
    tile: Pointer,
    result: Pointer,
    row: int,
    column: int,
    rows: int,
    columns: int,
    count: int,
    size: int,
    added: bool,
    residual: Pointer,
    totals: Pointer,
) -> None:
    """Copy the part of a tile that lies inside the result, and add its moments to `totals`."""
    total, squares = load(totals, 0), load(totals, LANES)
    for i in range(rows):
        for j in range(columns):
            source, target = (size * i + j) * LANES, i * row + j * column
            if count == LANES:
                value = load(tile, source)
                if added:
                    value = value + load(residual, target)
                store(result, target, value)
            else:
                for c in range(count):
                    if added:
                        tile[source + c] += residual[target + c]
                    result[target + c] = tile[source + c]
                value = load(tile, source)
            total, squares = total + value, squares + value * value
    store(totals, 0, total)
    store(totals, LANES, squares)


@njit(nogil=True, error_model="numpy")
def _prepare(
    doubled: bool,
    x: Pointer,
    strides: tuple[int, int, int],
    shape: tuple[int, int, int],
    padding: tuple[int, int],
    activated: bool,
    scale: Pointer,
    shift: Pointer,
    first: int,
    count: int,
    across: int,
    down: int,
    work: Pointer,
    space: Pointer,
    plane: int,
    block: int,
) -> None:
    """Transform the patches of a strip."""
    size, step = (upsampled.PATCH, 1) if doubled else (winograd.PATCH, winograd.TILE)
    image_step, row, column = strides
    height, width, channels = shape
    patch = moved(work, winograd.POSITIONS * LANES)
    padded = -(-channels // LANES) * LANES
    done = 0
    while done < count:
        image, place = (first + done) // (across * down), (first + done) % (across * down)
        length = min(_RUN, across - place % across, count - done)
        reach = step * (length - 1) + size
        top = place // across * step - padding[0]
        left = place % across * step - padding[1]
        source = moved(x, image * image_step + top * row + left * column)
        inside = top >= 0 and left >= 0 and top + size <= height and left + reach <= width
        to = moved(space, done * LANES)
        for c in range(0, channels, LANES):
            here, down_step, right_step = moved(source, c), row, column
            if activated or not (inside and c + LANES <= channels):
                factor = image * padded + c if activated else 0
                _cut_patches(
                    here,
                    row,
                    column,
                    top,
                    left,
                    height,
                    width,
                    min(LANES, channels - c),
                    activated,
                    moved(scale, factor),
                    moved(shift, factor),
                    patch,
                    size,
                    reach,
                )
                here, down_step, right_step = patch, reach * LANES, LANES
            if doubled:
                upsampled.transform_patches(here, down_step, right_step, length, work, to, plane)
            else:
                winograd.transform_patches(here, down_step, right_step, length, work, to, plane)
            to = moved(to, block)
        done += length


@njit(nogil=True, error_model="numpy")
def _finish(
    doubled: bool,
    products: Pointer,
    plane: int,
    block: int,
    bias: Pointer,
    added: bool,
    residual: Pointer,
    measured: bool,
    moments: Pointer,
    first: int,
    count: int,
    across: int,
    down: int,
    work: Pointer,
    result: Pointer,
    strides: tuple[int, int, int],
    shape: tuple[int, int, int],
) -> None:
    """Transform the products of a strip into its part of the result."""
    size = upsampled.TILE if doubled else winograd.TILE
    image_step, row, column = strides
    height, width, channels = shape
    tile = moved(work, winograd.POSITIONS * LANES)
    totals = moved(tile, winograd.TILE**2 * LANES)
    extra = added or measured
    padded = -(-channels // LANES) * LANES
    done = 0
    while done < count:
        image, place = (first + done) // (across * down), (first + done) % (across * down)
        length = min(_RUN, across - place % across, count - done)
        top, left = place // across * size, place % across * size
        to = image * image_step + top * row + left * column
        rows = min(size, height - top)
        source = moved(products, done * LANES)
        for c in range(0, channels, LANES):
            constant, present = load(bias, c), min(LANES, channels - c)
            store(totals, 0, splat(0.0))
            store(totals, LANES, splat(0.0))
            for t in range(length):
                columns = min(size, width - left - t * size)
                here = to + c + t * size * column
                target, down_step, right_step = moved(result, here), row, column
                direct = rows == size and columns == size and present == LANES and not extra
                if not direct:
                    target, down_step, right_step = tile, size * LANES, LANES
                at = moved(source, t * LANES)
                if doubled:
                    upsampled.transform_products(
                        at, plane, constant, work, target, down_step, right_step
                    )
                else:
                    winograd.transform_products(
                        at, plane, constant, work, target, down_step, right_step
                    )
                if not direct:
                    _paste_tile(
                        tile,
                        moved(result, here),
                        row,
                        column,
                        rows,
                        columns,
                        present,
                        size,
                        added,
                        moved(residual, here if added else 0),
                        totals,
                    )
            if measured:
                for k in range(LANES):
                    moments[2 * image * padded + c + k] += totals[k]
                    moments[(2 * image + 1) * padded + c + k] += totals[LANES + k]
            source = moved(source, block)
        done += length


@inlined
def _layout(blocks: int, tiles: int) -> tuple[int, int]:
    """Return the distance between blocks of channels and between positions."""
    rows = tiles + tiles % 2  # the smallest register block has two rows
    # An odd number of cache lines keeps positions from sharing the same sets of the cache.
    return rows * LANES, (blocks * rows | 1) * LANES


@njit(nogil=True, error_model="numpy")
def convolve(
    doubled: bool,
    x: Pointer,
    x_strides: tuple[int, int, int],  # of images, rows and columns
    x_shape: tuple[int, int, int],  # height, width, channels
    padding: tuple[int, int],
    filters: Pointer,
    bias: Pointer,
    activated: bool,
    scale: Pointer,  # (B, channels of x, padded)
    shift: Pointer,
    added: bool,
    residual: Pointer,  # in the order of the result
    measured: bool,
    moments: Pointer,  # (B, 2, channels, padded) float64, added to
    result: Pointer,
    strides: tuple[int, int, int],
    shape: tuple[int, int, int],
    grid: tuple[int, int],  # tiles down and across an image
    span: tuple[int, int],  # the tiles to compute
    capacity: int,  # tiles of a strip
    work: Pointer,
) -> None:
    """Compute a range of tiles of a convolution.

    If `activated`, the input is relu(scale x + shift). If `added`, `residual` is added to the
    result. If `measured`, the sums of the result and of its squares are added to `moments`.
    """
    positions = upsampled.POSITIONS if doubled else winograd.POSITIONS
    blocks, out_blocks = -(-x_shape[2] // LANES), -(-shape[2] // LANES)
    block, plane = _layout(blocks, capacity)
    block, out_plane = _layout(out_blocks, capacity)
    matrix = blocks * out_blocks * LANES * LANES
    space = moved(work, WORK)
    products = moved(space, positions * plane)
    down, across = grid
    first, last = span
    for start in range(first, last, capacity):
        count = min(capacity, last - start)
        _prepare(
            doubled,
            x,
            x_strides,
            x_shape,
            padding,
            activated,
            scale,
            shift,
            start,
            count,
            across,
            down,
            work,
            space,
            plane,
            block,
        )
        for p in range(positions):
            multiply(
                moved(space, p * plane),
                block,
                count,
                moved(filters, p * matrix),
                blocks,
                out_blocks,
                moved(products, p * out_plane),
                block,
            )
        _finish(
            doubled,
            products,
            out_plane,
            block,
            bias,
            added,
            residual,
            measured,
            moments,
            start,
            count,
            across,
            down,
            work,
            result,
            strides,
            shape,
        )
