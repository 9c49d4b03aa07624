"""Patches of the input of a convolution: cut out, and transformed."""

from numba import njit

from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
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

RUN = 8
"""Most tiles side by side that are transformed together."""
WORK = (winograd.POSITIONS + winograd.PATCH * (winograd.TILE * RUN + 2)) * LANES
"""Numbers of scratch memory beside the transformed tiles."""


@inlined
def _cut(
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


@njit(nogil=True, error_model="numpy")
def transform_patches(
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
        length = min(RUN, across - place % across, count - done)
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
                _cut(
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
