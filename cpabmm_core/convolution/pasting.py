"""Tiles of the result of a convolution: transformed back, and pasted."""

from numba import njit

from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
from cpabmm_core.convolution.patches import RUN
from cpabmm_core.convolution.simd import LANES, Pointer, inlined, load, moved, splat, store


@inlined
def _paste(
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
def paste_tiles(
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
        length = min(RUN, across - place % across, count - done)
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
                    _paste(
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
