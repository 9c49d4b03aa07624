"""Vectors of 16 float32 numbers inside compiled functions.

The compiler turns one into the registers of the machine: one of AVX-512, two of AVX2, four of SSE
or NEON. With them a kernel states what stays in registers, which loops over scalars leave to
chance.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
IR_VECTOR = ir.VectorType(ir.FloatType(), LANES)
FUSED = ("contract",)
"""Lets the compiler turn a product and a sum into one instruction."""
_FLOAT_BYTES = 4
_FIRST = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


class _Vector(types.Type):  # type: ignore[misc]
    """The type of a vector in compiled functions."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


VECTOR = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is one value of LLVM."""

    def __init__(self, manager: Any, kind: Any) -> None:  # noqa: ANN401
        super().__init__(manager, kind, IR_VECTOR)


def address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:  # noqa: ANN401
    """Generate the pointer to a vector that starts at an index of a flat float32 array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), IR_VECTOR.as_pointer())


def broadcast(builder: Any, number: Any) -> Any:  # noqa: ANN401
    """Generate a vector with the same number in each place."""
    undefined = ir.Constant(IR_VECTOR, ir.Undefined)
    alone = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(alone, undefined, _FIRST)


@intrinsic  # type: ignore[untyped-decorator]
def load(_typing: Any, array: Any, index: Any) -> Any:  # noqa: ANN401
    """Return the 16 numbers of a flat float32 array from an index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        place = address(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=_FLOAT_BYTES)

    return VECTOR(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:  # noqa: ANN401
    """Write a vector to a flat float32 array from an index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        place = address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic  # type: ignore[untyped-decorator]
def splat(_typing: Any, _number: Any) -> Any:  # noqa: ANN401
    """Return a vector with the same number in each place."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return broadcast(builder, arguments[0])

    return VECTOR(types.float32), generate


def _arithmetic(function: Callable[..., Any], instruction: str) -> None:
    """Define an operator for two vectors."""

    @intrinsic  # type: ignore[untyped-decorator]
    def compute(_typing: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return getattr(builder, instruction)(*arguments, flags=FUSED)

        return VECTOR(first, second), generate

    @overload(function, strict=False)  # type: ignore[untyped-decorator]
    def typed(first: Any, second: Any) -> Callable[[Any, Any], Any] | None:  # noqa: ANN401
        if first is VECTOR and second is VECTOR:
            return lambda first, second: compute(first, second)
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
