"""Vectors of 16 float32 numbers inside compiled functions.

The compiler turns one into the registers of the machine: one of AVX-512, two of AVX2, four of SSE
or NEON. With them a kernel states what stays in registers, which loops over scalars leave to
chance.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, types
from numba.extending import models, overload, register_model

intrinsic: Any = extending.intrinsic  # its annotations describe the generator, not the result
ArrayOf: Any = types.CPointer
"""The type of an address of several values."""
LANES = 16
IR_VECTOR = ir.VectorType(ir.FloatType(), LANES)
FUSED = ("contract",)
"""Lets the compiler turn a product and a sum into one instruction."""
_FLOAT_BYTES = 4
inlined = njit(nogil=True, error_model="numpy", forceinline=True)
"""Compiles a part of a kernel into its callers."""
_FIRST = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)


class _Vector(types.Type):
    """The type of a vector in compiled functions."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


VECTOR = _Vector()
POINTER = ArrayOf(types.float32)
Pointer = Any
"""The address of float32 numbers, in annotations."""


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """A vector is one value of LLVM."""

    def __init__(self, manager: Any, kind: Any) -> None:  # noqa: ANN401
        super().__init__(manager, kind, IR_VECTOR)  # type: ignore[no-untyped-call]


def address(builder: Any, start: Any, index: Any) -> Any:  # noqa: ANN401
    """Generate the pointer to the vector that begins `index` numbers after `start`."""
    return builder.bitcast(builder.gep(start, [index]), IR_VECTOR.as_pointer())


def _address_of(kind: Any) -> Any:  # noqa: ANN401
    """Return a compiled function that makes an address from a number."""

    @intrinsic  # type: ignore[untyped-decorator]
    def convert(_typing: Any, _number: Any) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return kind(types.int64), generate

    return convert


floats_at = _address_of(POINTER)
doubles_at = _address_of(ArrayOf(types.float64))


@intrinsic  # type: ignore[untyped-decorator]
def take_next(_typing: Any, _counter: Any) -> Any:  # noqa: ANN401
    """Return the integer at an address and add 1 to it, as one step that no thread interrupts."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", arguments[0], one, "monotonic")

    return types.int64(ArrayOf(types.int64)), generate


def broadcast(builder: Any, number: Any) -> Any:  # noqa: ANN401
    """Generate a vector with the same number in each place."""
    undefined = ir.Constant(IR_VECTOR, ir.Undefined)
    alone = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(alone, undefined, _FIRST)


@intrinsic  # type: ignore[untyped-decorator]
def moved(_typing: Any, _start: Any, _count: Any) -> Any:  # noqa: ANN401
    """Return the address `count` numbers after an address."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.gep(arguments[0], [arguments[1]])

    return POINTER(POINTER, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def load(_typing: Any, _start: Any, _index: Any) -> Any:  # noqa: ANN401
    """Return the 16 numbers that begin `index` numbers after an address."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.load(address(builder, *arguments), align=_FLOAT_BYTES)

    return VECTOR(POINTER, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(_typing: Any, _start: Any, _index: Any, _vector: Any) -> Any:  # noqa: ANN401
    """Write a vector `index` numbers after an address."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        builder.store(arguments[2], address(builder, *arguments[:2]), align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(POINTER, types.intp, VECTOR), generate


@intrinsic  # type: ignore[untyped-decorator]
def splat(_typing: Any, _number: Any) -> Any:  # noqa: ANN401
    """Return a vector with the same number in each place."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return broadcast(builder, arguments[0])

    return VECTOR(types.float32), generate


@intrinsic  # type: ignore[untyped-decorator]
def positive(_typing: Any, _vector: Any) -> Any:  # noqa: ANN401
    """Return a vector with its negative numbers replaced by 0."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        zero = ir.Constant(IR_VECTOR, [0.0] * LANES)
        below = builder.fcmp_ordered("<", arguments[0], zero)  # false for NaN, which stays
        return builder.select(below, zero, arguments[0])

    return VECTOR(VECTOR), generate


def _arithmetic(function: Callable[..., Any], instruction: str) -> None:
    """Define an operator for two vectors."""

    @intrinsic  # type: ignore[untyped-decorator]
    def compute(_typing: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return getattr(builder, instruction)(*arguments, flags=FUSED)

        return VECTOR(first, second), generate

    @overload(function, strict=False)
    def typed(first: Any, second: Any) -> Callable[[Any, Any], Any] | None:  # noqa: ANN401
        if first is VECTOR and second is VECTOR:
            return lambda first, second: compute(first, second)  # noqa: PLW0108 - the names count
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
