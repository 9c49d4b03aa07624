"""Product of matrices whose accumulators stay in registers, compiled for this machine's CPU.

A matrix is stored in blocks of 16 channels: (channels / 16, rows, 16). So the channels of a row
that one step needs share a cache line, and rows follow each other at a fixed distance.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from cpabmm_core.arrays import Floats
from cpabmm_core.convolution.simd import FUSED, IR_VECTOR, LANES, address, broadcast

_WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
ROWS = 12 if _WIDE else 6
"""Rows of a full register block."""
VECTORS = 2 if _WIDE else 1
"""Its columns in vectors. 24 registers of 32, or 12 of 16, hold the sums."""


def _accumulate(rows: int, vectors: int) -> Any:  # noqa: ANN401
    """Return a compiled function that computes one register block."""

    @intrinsic  # type: ignore[untyped-decorator]
    def compute(
        _typing: Any,  # noqa: ANN401
        left: Any,  # noqa: ANN401
        _left_index: Any,  # noqa: ANN401
        _left_step: Any,  # noqa: ANN401
        right: Any,  # noqa: ANN401
        _right_index: Any,  # noqa: ANN401
        blocks: Any,  # noqa: ANN401
        result: Any,  # noqa: ANN401
        _result_index: Any,  # noqa: ANN401
        _result_step: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            left, left_at, left_step, right, right_at, blocks, result, at, step = arguments
            kinds = signature.args
            sums = _loop(
                builder,
                address(context, builder, kinds[0], left, left_at),
                left_step,
                address(context, builder, kinds[3], right, right_at),
                blocks,
                rows,
                vectors,
            )
            place = address(context, builder, kinds[6], result, at)
            for v in range(vectors):
                for r in range(rows):
                    builder.store(sums[r][v], _moved(builder, place, LANES * r), align=4)
                place = builder.bitcast(
                    builder.gep(_floats(builder, place), [step]), IR_VECTOR.as_pointer()
                )
            return context.get_dummy_value()

        index = types.intp
        return (
            types.void(left, index, index, right, index, index, result, index, index),
            generate,
        )

    return compute


def _floats(builder: Any, place: Any) -> Any:  # noqa: ANN401
    return builder.bitcast(place, ir.FloatType().as_pointer())


def _moved(builder: Any, place: Any, floats: int) -> Any:  # noqa: ANN401
    moved = builder.gep(_floats(builder, place), [ir.Constant(ir.IntType(64), floats)])
    return builder.bitcast(moved, IR_VECTOR.as_pointer())


def _loop(
    builder: Any,  # noqa: ANN401
    left: Any,  # noqa: ANN401
    left_step: Any,  # noqa: ANN401
    right: Any,  # noqa: ANN401
    blocks: Any,  # noqa: ANN401
    rows: int,
    vectors: int,
) -> list[list[Any]]:
    """Generate the loop over blocks of 16 channels and return the sums."""
    before = builder.block
    loop = builder.append_basic_block("channels")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    integer = ir.IntType(64)
    done = builder.phi(integer)
    left_now, right_now = builder.phi(left.type), builder.phi(right.type)
    sums = [[builder.phi(IR_VECTOR) for _ in range(vectors)] for _ in range(rows)]
    zero = ir.Constant(IR_VECTOR, [0.0] * LANES)
    done.add_incoming(ir.Constant(integer, 0), before)
    left_now.add_incoming(left, before)
    right_now.add_incoming(right, before)
    for row in sums:
        for phi in row:
            phi.add_incoming(zero, before)
    new = [list(row) for row in sums]
    for k in range(LANES):
        columns = [
            builder.load(_moved(builder, right_now, LANES * (vectors * k + v)), align=4)
            for v in range(vectors)
        ]
        for r in range(rows):
            place = _floats(builder, _moved(builder, left_now, LANES * r + k))
            factor = broadcast(builder, builder.load(place))
            for v in range(vectors):
                product = builder.fmul(factor, columns[v], flags=FUSED)
                new[r][v] = builder.fadd(new[r][v], product, flags=FUSED)
    following = builder.add(done, ir.Constant(integer, 1))
    done.add_incoming(following, loop)
    left_next = builder.bitcast(
        builder.gep(_floats(builder, left_now), [left_step]), IR_VECTOR.as_pointer()
    )
    left_now.add_incoming(left_next, loop)
    right_now.add_incoming(_moved(builder, right_now, LANES * LANES * vectors), loop)
    for row, row_new in zip(sums, new, strict=True):
        for phi, value in zip(row, row_new, strict=True):
            phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, blocks), loop, after)
    builder.position_at_end(after)
    return new


_full = _accumulate(ROWS, VECTORS)
_full_narrow = _accumulate(ROWS, 1)
_few = _accumulate(2, VECTORS)
_few_narrow = _accumulate(2, 1)


@njit(nogil=True, error_model="numpy")
def multiply(
    left: Floats,  # flat (blocks, left_step / 16, 16)
    left_start: int,
    left_step: int,
    rows: int,
    right: Floats,
    right_start: int,
    blocks: int,
    columns: int,  # in vectors
    result: Floats,
    result_start: int,
    result_step: int,
) -> None:
    """Multiply `rows` rows by a packed matrix."""
    column = 0
    while column < columns:
        wide = column + VECTORS <= columns
        panel = right_start + column * blocks * LANES * LANES
        row = 0
        while row < rows:
            at = left_start + row * LANES
            to = result_start + column * result_step + row * LANES
            if wide:
                if rows - row >= ROWS - 1:
                    _full(left, at, left_step, right, panel, blocks, result, to, result_step)
                    row += ROWS
                else:
                    _few(left, at, left_step, right, panel, blocks, result, to, result_step)
                    row += 2
            elif rows - row >= ROWS - 1:
                _full_narrow(left, at, left_step, right, panel, blocks, result, to, result_step)
                row += ROWS
            else:
                _few_narrow(left, at, left_step, right, panel, blocks, result, to, result_step)
                row += 2
        column += VECTORS if wide else 1
