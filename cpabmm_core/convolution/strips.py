"""Convolution of strips of tiles: transform, multiply, transform back, all in cache.

The result is cut into tiles. A strip is a number of tiles in reading order, over all images.
"""

from numba import njit

from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
from cpabmm_core.convolution.pasting import paste_tiles
from cpabmm_core.convolution.patches import WORK, transform_patches
from cpabmm_core.convolution.product_kernel import multiply
from cpabmm_core.convolution.simd import LANES, Pointer, inlined, moved


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
        transform_patches(
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
        paste_tiles(
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
