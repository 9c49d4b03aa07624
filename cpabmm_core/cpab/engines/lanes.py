# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False
"""Vectors of eight float64 numbers, the lanes, for Numba kernels.

A kernel that processes eight points at once cannot rely on the compiler to find the vectors: its
loops have branches and look up tables. These types make them explicit. LLVM maps a vector to one
register with AVX-512, to two with AVX2, to four with SSE2 or NEON.

Arithmetic and comparisons work between vectors, and between a vector and a number. A comparison
gives a mask. The functions below do the rest; as they are intrinsics, they cost no call.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8

_DOUBLE, _INDEX = ir.DoubleType(), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)
_ROUNDING = ("contract",)  # lets a product and a sum become one instruction

_function: Any = intrinsic  # in a kernel, calls leave out the first argument

Lanes = Any
"""A vector of LANES numbers, for annotations."""
Mask = Any
"""A truth value for each lane, for annotations."""


class LanesType(types.Type):
    """The type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class MaskType(types.Type):
    """The type of a mask."""

    def __init__(self) -> None:
        super().__init__(name="Mask")


_LANES, _MASK = LanesType(), MaskType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type) -> None:  # noqa: ANN401
        super().__init__(manager, kind, _VECTOR)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type) -> None:  # noqa: ANN401
        super().__init__(manager, kind, _BITS)


def _as_vector(context: Any, builder: Any, value: Any, kind: types.Type) -> Any:  # noqa: ANN401
    """Return the value, repeated in every lane if it is a number."""
    if kind == _LANES:
        return value
    number = context.cast(builder, value, kind, types.float64)
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, _INDEX(0))
    zeros = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), zeros)


def _define(function: Any, result: types.Type, emit: Callable[[Any, Any, Any], Any]) -> None:  # noqa: ANN401
    """Define an operator between two vectors, or a vector and a number."""

    @type_callable(function)
    def _typer(context: Any) -> Any:  # noqa: ANN401
        def typing(first: types.Type, second: types.Type) -> types.Type | None:
            kinds = (first, second)
            known = all(kind == _LANES or isinstance(kind, types.Number) for kind in kinds)
            return result if known and _LANES in kinds else None

        return typing

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        pairs = zip(values, signature.args, strict=True)
        return emit(builder, *(_as_vector(context, builder, *pair) for pair in pairs))

    for kinds in ((LanesType,) * 2, (LanesType, types.Number), (types.Number, LanesType)):
        lower_builtin(function, *kinds)(lower)


_define(operator.add, _LANES, lambda builder, a, b: builder.fadd(a, b, flags=_ROUNDING))
_define(operator.sub, _LANES, lambda builder, a, b: builder.fsub(a, b, flags=_ROUNDING))
_define(operator.mul, _LANES, lambda builder, a, b: builder.fmul(a, b, flags=_ROUNDING))
_define(operator.truediv, _LANES, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.lt, _MASK, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_define(operator.le, _MASK, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_define(operator.gt, _MASK, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ge, _MASK, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define(operator.eq, _MASK, lambda builder, a, b: builder.fcmp_ordered("==", a, b))


@type_callable(operator.and_)
@type_callable(operator.or_)
def _type_of_masks(context: Any) -> Any:  # noqa: ANN401
    return lambda first, second: _MASK if first == second == _MASK else None


@lower_builtin(operator.and_, MaskType, MaskType)
def _and(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
    return builder.and_(*values)


@lower_builtin(operator.or_, MaskType, MaskType)
def _or(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
    return builder.or_(*values)


@type_callable(operator.invert)
def _type_of_mask(context: Any) -> Any:  # noqa: ANN401
    return lambda mask: _MASK if mask == _MASK else None


@lower_builtin(operator.invert, MaskType)
def _invert(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
    return builder.not_(values[0])


def _call(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:  # noqa: ANN401
    """Call an intrinsic of LLVM."""
    kind = ir.FunctionType(result, [value.type for value in values])
    module = builder.module
    known = module.globals.get(name)
    return builder.call(known or ir.Function(module, kind, name), values)


def _elements(context: Any, builder: Any, kind: types.Array, array: Any) -> Any:  # noqa: ANN401
    """Return a pointer to the first number of an array."""
    return context.make_array(kind)(context, builder, array).data


def _halves(builder: Any, vector: Any, combine: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401
    """Combine the two halves of a vector, their halves and so on, to one number."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (
            ir.Constant(ir.VectorType(_INDEX, width), list(range(start, start + width)))
            for start in (0, width)
        )
        nothing = ir.Constant(vector.type, ir.Undefined)
        vector = combine(
            builder.shuffle_vector(vector, nothing, low),
            builder.shuffle_vector(vector, nothing, high),
        )
    return builder.extract_element(vector, _INDEX(0))


def _maximum(builder: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    return builder.select(builder.fcmp_ordered(">", first, second), first, second)


def _places(
    context: Any,  # noqa: ANN401
    builder: Any,  # noqa: ANN401
    signature: Any,  # noqa: ANN401
    values: Any,  # noqa: ANN401
) -> list[Any]:
    """Return pointers to array[stride * index + offset], one per lane."""
    array, index, stride, offset = values[:4]
    data = _elements(context, builder, signature.args[0], array)
    whole = builder.fptosi(index, ir.VectorType(_INDEX, LANES))  # AVX2 has no 64-bit conversion
    places = []
    for lane in range(LANES):
        row = builder.sext(builder.extract_element(whole, _INDEX(lane)), stride.type)
        place = builder.add(builder.mul(row, stride), offset)
        places.append(builder.gep(data, [place], inbounds=True))
    return places


@_function
def spread(typing_context: Any, number: Any) -> Any:  # noqa: ANN401
    """Return a vector with the number in every lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return _as_vector(context, builder, values[0], signature.args[0])

    return _LANES(number), emit


@_function
def numbering(typing_context: Any) -> Any:  # noqa: ANN401
    """Return 0, 1 .. LANES - 1."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return ir.Constant(_VECTOR, [float(lane) for lane in range(LANES)])

    return _LANES(), emit


@_function
def load(typing_context: Any, array: Any, start: Any) -> Any:  # noqa: ANN401
    """Return LANES neighbouring numbers of a flat array."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        data = _elements(context, builder, signature.args[0], values[0])
        place = builder.gep(data, [values[1]], inbounds=True)
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=8)

    return _LANES(array, types.intp), emit


@_function
def store(typing_context: Any, array: Any, start: Any, vector: Any) -> Any:  # noqa: ANN401
    """Write a vector to LANES neighbouring numbers of a flat array."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        data = _elements(context, builder, signature.args[0], values[0])
        place = builder.gep(data, [values[1]], inbounds=True)
        builder.store(values[2], builder.bitcast(place, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), emit


@_function
def gather(typing_context: Any, array: Any, index: Any, stride: Any, offset: Any) -> Any:  # noqa: ANN401
    """Return array[stride * index + offset] of a flat array, for the index of each lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for lane, place in enumerate(_places(context, builder, signature, values)):
            vector = builder.insert_element(vector, builder.load(place), _INDEX(lane))
        return vector

    return _LANES(array, _LANES, types.intp, types.intp), emit


@_function
def scatter_add(
    typing_context: Any,  # noqa: ANN401
    array: Any,  # noqa: ANN401
    index: Any,  # noqa: ANN401
    stride: Any,  # noqa: ANN401
    offset: Any,  # noqa: ANN401
    vector: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Add each lane's number to array[stride * index + offset] of a flat array."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        for lane, place in enumerate(_places(context, builder, signature, values)):
            number = builder.extract_element(values[4], _INDEX(lane))
            builder.store(builder.fadd(builder.load(place), number), place)
        return context.get_dummy_value()

    return types.void(array, _LANES, types.intp, types.intp, _LANES), emit


@_function
def choose(typing_context: Any, mask: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    """Return the first vector where the mask is set, else the second."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        pairs = zip(values[1:], signature.args[1:], strict=True)
        return builder.select(values[0], *(_as_vector(context, builder, *p) for p in pairs))

    return _LANES(_MASK, first, second), emit


@_function
def least(typing_context: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    """Return the smaller number of each lane; the second if one is NaN."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        pairs = zip(values, signature.args, strict=True)
        one, other = (_as_vector(context, builder, *pair) for pair in pairs)
        return builder.select(builder.fcmp_ordered("<", one, other), one, other)

    return _LANES(first, second), emit


@_function
def greatest(typing_context: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    """Return the larger number of each lane; the second if one is NaN."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        pairs = zip(values, signature.args, strict=True)
        return _maximum(builder, *(_as_vector(context, builder, *pair) for pair in pairs))

    return _LANES(first, second), emit


def _of_one_vector(name: str) -> Any:  # noqa: ANN401
    """Return an intrinsic that calls one of LLVM for vectors."""

    @_function
    def function(typing_context: Any, vector: Any) -> Any:  # noqa: ANN401
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
            return _call(builder, f"llvm.{name}.v{LANES}f64", _VECTOR, values[0])

        return _LANES(_LANES), emit

    return function


floor, magnitude, root = (_of_one_vector(name) for name in ("floor", "fabs", "sqrt"))
"""The largest whole number below, the absolute value, and the square root of each lane."""


@_function
def any_of(typing_context: Any, mask: Any) -> Any:  # noqa: ANN401
    """Return whether the mask is set in any lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        bits = builder.bitcast(values[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(_MASK), emit


@_function
def total(typing_context: Any, vector: Any) -> Any:  # noqa: ANN401
    """Return the sum of all lanes."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return _halves(builder, values[0], builder.fadd)

    return types.float64(_LANES), emit


@_function
def highest(typing_context: Any, vector: Any) -> Any:  # noqa: ANN401
    """Return the largest number of all lanes."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return _halves(builder, values[0], lambda a, b: _maximum(builder, a, b))

    return types.float64(_LANES), emit


@_function
def first_of(typing_context: Any, vector: Any) -> Any:  # noqa: ANN401
    """Return the number of the first lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
        return builder.extract_element(values[0], _INDEX(0))

    return types.float64(_LANES), emit
