"""Product of matrices whose accumulators stay in registers, compiled for this machine's CPU.

A matrix is stored in blocks of 16 channels: (channels / 16, rows, 16). So the channels of a row
that one step needs share a cache line, and rows follow each other at a fixed distance.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target

from cpabmm_core.convolution.simd import (
    FUSED,
    IR_VECTOR,
    LANES,
    POINTER,
    Pointer,
    address,
    broadcast,
    intrinsic,
    moved,
)

_INDEX = ir.IntType(64)
_WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
ROWS = 12 if _WIDE else 6
"""Rows of a full register block."""
VECTORS = 2 if _WIDE else 1
"""Its columns in vectors. 24 registers of 32, or 12 of 16, hold the sums."""
_LINES_AHEAD = 4 * VECTORS
"""Cache lines of the next panel to request while 16 channels are multiplied: a quarter of it."""


def _accumulate(rows: int, vectors: int) -> Any:  # noqa: ANN401
    """Return a compiled function that computes one register block."""

    @intrinsic  # type: ignore[untyped-decorator]
    def compute(
        _typing: Any,  # noqa: ANN401
        _left: Any,  # noqa: ANN401
        _left_step: Any,  # noqa: ANN401
        _right: Any,  # noqa: ANN401
        _blocks: Any,  # noqa: ANN401
        _ahead: Any,  # noqa: ANN401
        _result: Any,  # noqa: ANN401
        _result_step: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            left, left_step, right, blocks, ahead, result, step = arguments
            sums = _loop(builder, left, left_step, right, blocks, ahead, rows, vectors)
            for v in range(vectors):
                for r in range(rows):
                    builder.store(sums[r][v], _vector(builder, result, LANES * r), align=4)
                result = builder.gep(result, [step])
            return context.get_dummy_value()

        index = types.intp
        return (
            types.void(POINTER, index, POINTER, index, POINTER, POINTER, index),
            generate,
        )

    return compute


def _vector(builder: Any, start: Any, index: int) -> Any:  # noqa: ANN401
    return address(builder, start, ir.Constant(_INDEX, index))


def _loop(
    builder: Any,  # noqa: ANN401
    left: Any,  # noqa: ANN401
    left_step: Any,  # noqa: ANN401
    right: Any,  # noqa: ANN401
    blocks: Any,  # noqa: ANN401
    ahead: Any,  # noqa: ANN401
    rows: int,
    vectors: int,
) -> list[list[Any]]:
    """Generate the loop over blocks of 16 channels and return the sums."""
    before = builder.block
    loop = builder.append_basic_block("channels")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    zero = ir.Constant(IR_VECTOR, [0.0] * LANES)
    starts = [ir.Constant(_INDEX, 0), left, right, ahead, *[zero] * (rows * vectors)]
    running = [builder.phi(start.type) for start in starts]
    done, left, right, ahead, *sums = running
    totals = [sums[r * vectors : (r + 1) * vectors] for r in range(rows)]
    _prefetch(builder, ahead)
    for k in range(LANES):
        columns = [
            builder.load(_vector(builder, right, LANES * (vectors * k + v)), align=4)
            for v in range(vectors)
        ]
        for r in range(rows):
            place = builder.gep(left, [ir.Constant(_INDEX, LANES * r + k)])
            factor = broadcast(builder, builder.load(place))
            for v in range(vectors):
                product = builder.fmul(factor, columns[v], flags=FUSED)
                totals[r][v] = builder.fadd(totals[r][v], product, flags=FUSED)
    following = builder.add(done, ir.Constant(_INDEX, 1))
    ends = [
        following,
        builder.gep(left, [left_step]),
        builder.gep(right, [ir.Constant(_INDEX, LANES * LANES * vectors)]),
        builder.gep(ahead, [ir.Constant(_INDEX, LANES * _LINES_AHEAD)]),
        *[total for row in totals for total in row],
    ]
    for phi, start, end in zip(running, starts, ends, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, loop)
    builder.cbranch(builder.icmp_signed("<", following, blocks), loop, after)
    builder.position_at_end(after)
    return totals


def _prefetch(builder: Any, start: Any) -> None:  # noqa: ANN401
    """Generate requests for the cache lines from an address on."""
    byte = ir.IntType(8).as_pointer()
    flag = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    insert: Any = cgutils.get_or_insert_function
    function = insert(builder.module, kind, "llvm.prefetch.p0")
    for line in range(_LINES_AHEAD):
        place = builder.gep(start, [ir.Constant(_INDEX, LANES * line)])
        options = [ir.Constant(flag, option) for option in (0, 2, 1)]  # read, to the L2 cache, data
        builder.call(function, [builder.bitcast(place, byte), *options])


_full = _accumulate(ROWS, VECTORS)
_full_narrow = _accumulate(ROWS, 1)
_few = _accumulate(2, VECTORS)
_few_narrow = _accumulate(2, 1)


@njit(nogil=True, error_model="numpy")
def multiply(
    left: Pointer,  # (blocks, left_step / 16, 16)
    left_step: int,
    rows: int,
    right: Pointer,
    blocks: int,
    columns: int,  # in vectors
    result: Pointer,
    result_step: int,
) -> None:
    """Multiply `rows` rows by a packed matrix."""
    column = 0
    while column < columns:
        wide = column + VECTORS <= columns
        panel = moved(right, column * blocks * LANES * LANES)
        ahead = moved(panel, VECTORS * blocks * LANES * LANES)
        row = 0
        while row < rows:
            at = moved(left, row * LANES)
            to = moved(result, column * result_step + row * LANES)
            if wide:
                if rows - row >= ROWS - 1:
                    _full(at, left_step, panel, blocks, ahead, to, result_step)
                    row += ROWS
                else:
                    _few(at, left_step, panel, blocks, ahead, to, result_step)
                    row += 2
            elif rows - row >= ROWS - 1:
                _full_narrow(at, left_step, panel, blocks, ahead, to, result_step)
                row += ROWS
            else:
                _few_narrow(at, left_step, panel, blocks, ahead, to, result_step)
                row += 2
            ahead = moved(ahead, blocks * LANES * _LINES_AHEAD)
        column += VECTORS if wide else 1
