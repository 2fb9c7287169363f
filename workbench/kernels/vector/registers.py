"""Vectors of numbers held in registers, for kernels that a compiler does not vectorise well by itself.

A vector of any element and length works on every processor: LLVM cuts it into registers of the size that is there.
Only functions that say so need a feature of the processor (see `compiler.features`). All of this is for use inside
compiled functions. Arrays must be C-contiguous, an index counts elements of the flattened array, and nothing is
checked. Where a function takes `lanes` or `dtype`, it is a constant.

    v = load(weights, i, 16)          # uint32 x 16
    low = convert(v & 15, np.float32)
    acc = fma(low, spread(x, k, 16), acc)
    store(y, j, acc)
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from workbench.kernels.vector.codegen import (
    Vector,
    address_of,
    call,
    contiguous,
    gathered,
    in_every_lane,
    is_float,
    suffix,
)

# Operators: between two vectors of one type, or a vector and a number, which is converted to the vector's element.

# Name in llvmlite's builder for unsigned integers, for signed ones and for floats.
_OPERATIONS: dict[str, tuple[str | None, str | None, str | None]] = {
    "add": ("add", "add", "fadd"),
    "sub": ("sub", "sub", "fsub"),
    "mul": ("mul", "mul", "fmul"),
    "truediv": (None, None, "fdiv"),
    "and": ("and_", "and_", None),
    "or": ("or_", "or_", None),
    "xor": ("xor", "xor", None),
    "lshift": ("shl", "shl", None),
    "rshift": ("lshr", "ashr", None),
}


def _operation(names: tuple[str | None, str | None, str | None], kind: Vector) -> str | None:
    return names[2] if is_float(kind) else names[kind.dtype.signed]


def _register(symbol: Any, names: tuple[str | None, str | None, str | None]) -> None:
    class Operator(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            kind = next((one for one in args if isinstance(one, Vector)), None)
            if kind is None or len(args) != 2 or _operation(names, kind) is None:
                return None
            if any(one != kind and not isinstance(one, types.Number) for one in args):
                return None
            return signature(kind, *args)

    infer_global(symbol)(Operator)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        sides = []
        for side, of in zip(args, sig.args, strict=True):
            if not isinstance(of, Vector):
                side = in_every_lane(builder, context.cast(builder, side, of, kind.dtype), kind.lanes)
            sides.append(side)
        return getattr(builder, str(_operation(names, kind)))(*sides)

    for left, right in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(symbol, left, right)(lower)


for _name, _names in _OPERATIONS.items():
    _register(getattr(operator, f"__{_name}__"), _names)
    _register(getattr(operator, f"__i{_name}__"), _names)  # a += b, where a becomes a new vector


# Memory.


@intrinsic(prefer_literal=True)
def load(typingctx, array, index, lanes):  # type: ignore[no-untyped-def]
    """`lanes` elements of `array` from `index` on."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(array.dtype, lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = address_of(context, builder, sig.args[0], args[0], index)
        vector = context.get_value_type(kind)
        found = builder.load(builder.bitcast(pointer, vector.as_pointer()))
        found.align = kind.dtype.bitwidth // 8
        return found

    return kind(array, index, lanes), codegen


@intrinsic
def store(typingctx, array, index, vector):  # type: ignore[no-untyped-def]
    """Write `vector` to `array` from `index` on."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(vector, Vector)):
        return None
    if array.dtype != vector.dtype:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = address_of(context, builder, sig.args[0], args[0], index)
        written = builder.store(args[2], builder.bitcast(pointer, args[2].type.as_pointer()))
        written.align = sig.args[2].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, index, vector), codegen


@intrinsic
def stream(typingctx, array, index, vector):  # type: ignore[no-untyped-def]
    """`store`, past the caches: for results larger than these. Must begin at a multiple of the vector's size."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(vector, Vector)):
        return None
    if array.dtype != vector.dtype:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = address_of(context, builder, sig.args[0], args[0], index)
        written = builder.store(args[2], builder.bitcast(pointer, args[2].type.as_pointer()))
        written.align = sig.args[2].dtype.bitwidth // 8 * sig.args[2].lanes
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(array, index, vector), codegen


@intrinsic(prefer_literal=True)
def spread(typingctx, array, index, lanes):  # type: ignore[no-untyped-def]
    """The element of `array` at `index`, in every lane."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(array.dtype, lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        return in_every_lane(
            builder, builder.load(address_of(context, builder, sig.args[0], args[0], index)), kind.lanes
        )

    return kind(array, index, lanes), codegen


@intrinsic
def prefetch(typingctx, array, index):  # type: ignore[no-untyped-def]
    """Ask for the cache line that holds `index`, which may lie outside the array."""
    if not (contiguous(array) and isinstance(index, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        pointer = builder.bitcast(builder.gep(data, [index]), byte)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]), "llvm.prefetch.p0"
        )
        builder.call(function, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, index), codegen


@intrinsic
def gather(typingctx, array, indices):  # type: ignore[no-untyped-def]
    """The elements of `array` at `indices` (a vector of integers)."""
    if not (contiguous(array) and isinstance(indices, Vector)):
        return None
    kind = Vector(array.dtype, indices.lanes)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        array, indices = sig.args
        return gathered(context, builder, array, *args, signed=indices.dtype.signed)

    return kind(array, indices), codegen


# Registers.


@intrinsic(prefer_literal=True)
def splat(typingctx, scalar, lanes):  # type: ignore[no-untyped-def]
    """`scalar` in every lane; the element is the scalar's own type, so write np.float32(0), not 0."""
    if not (isinstance(scalar, types.Number) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(types.unliteral(scalar), lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return in_every_lane(builder, context.cast(builder, args[0], sig.args[0], kind.dtype), kind.lanes)

    return kind(scalar, lanes), codegen


@intrinsic
def convert(typingctx, vector, dtype):  # type: ignore[no-untyped-def]
    """Every lane as a number of `dtype`; floats are cut to integers towards zero."""
    if not (isinstance(vector, Vector) and isinstance(dtype, types.NumberClass)):
        return None
    kind = Vector(dtype.dtype, vector.lanes)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        source, target = sig.args[0], context.get_value_type(kind)
        wider = kind.dtype.bitwidth > source.dtype.bitwidth
        if is_float(source) and is_float(kind):
            if kind.dtype == source.dtype:
                return args[0]
            return (builder.fpext if wider else builder.fptrunc)(args[0], target)
        if is_float(source):
            return (builder.fptosi if kind.dtype.signed else builder.fptoui)(args[0], target)
        if is_float(kind):
            return (builder.sitofp if source.dtype.signed else builder.uitofp)(args[0], target)
        if kind.dtype.bitwidth == source.dtype.bitwidth:
            return args[0]
        if wider:
            return (builder.sext if source.dtype.signed else builder.zext)(args[0], target)
        return builder.trunc(args[0], target)

    return kind(vector, dtype), codegen


@intrinsic
def view(typingctx, vector, dtype):  # type: ignore[no-untyped-def]
    """The same bits as elements of `dtype`; the number of lanes follows."""
    if not (isinstance(vector, Vector) and isinstance(dtype, types.NumberClass)):
        return None
    kind = Vector(dtype.dtype, vector.lanes * vector.dtype.bitwidth // dtype.dtype.bitwidth)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], context.get_value_type(kind))

    return kind(vector, dtype), codegen


@intrinsic
def fma(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """a · b + c, rounded once where the processor can."""
    if not (isinstance(a, Vector) and is_float(a) and a == b == c):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, f"llvm.fmuladd.{suffix(a)}", a, args)

    return a(a, b, c), codegen


@intrinsic
def within(typingctx, vector, low, high):  # type: ignore[no-untyped-def]
    """Every lane of a vector of floats, but at least `low` and at most `high`, vectors as well; a NaN becomes `low`."""
    if not (isinstance(vector, Vector) and is_float(vector) and vector == low == high):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        vector, low, high = args
        raised = builder.select(builder.fcmp_ordered(">", vector, low), vector, low)
        return builder.select(builder.fcmp_ordered("<", raised, high), raised, high)

    return vector(vector, low, high), codegen


@intrinsic
def outside(typingctx, vector, low, high):  # type: ignore[no-untyped-def]
    """One bit for each of up to 64 lanes, the first in the lowest: whether it is below `low` or above `high`."""
    if not (isinstance(vector, Vector) and is_float(vector) and vector == low == high and vector.lanes <= 64):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        vector, low, high = args
        found = builder.or_(builder.fcmp_ordered("<", vector, low), builder.fcmp_ordered(">", vector, high))
        bits = builder.bitcast(found, ir.IntType(sig.args[0].lanes))
        return builder.zext(bits, ir.IntType(64)) if sig.args[0].lanes < 64 else bits

    return types.uint64(vector, low, high), codegen


@intrinsic
def popcount(typingctx, vector):  # type: ignore[no-untyped-def]
    """Number of set bits in each lane."""
    if not isinstance(vector, Vector) or is_float(vector):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, f"llvm.ctpop.{suffix(vector)}", vector, args)

    return vector(vector), codegen


@intrinsic
def highest_bit(typingctx, scalar):  # type: ignore[no-untyped-def]
    """Place of the highest set bit of a number of 64 bits that is not zero."""
    if not isinstance(scalar, types.Integer) or scalar.bitwidth != 64:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        above = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(ir.IntType(64), 63), above)

    return types.int64(scalar), codegen


@intrinsic
def lane_sum(typingctx, vector):  # type: ignore[no-untyped-def]
    """Sum over the lanes, as a number; floats in no particular order."""
    if not isinstance(vector, Vector):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        if not is_float(vector):
            return call(context, builder, f"llvm.vector.reduce.add.{suffix(vector)}", vector.dtype, args)
        start = context.get_constant(vector.dtype, 0)
        kind = ir.FunctionType(start.type, [start.type, args[0].type])
        name = f"llvm.vector.reduce.fadd.{suffix(vector)}"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [start, args[0]], fastmath=("reassoc",))

    return vector.dtype(vector), codegen


@intrinsic
def lane_or(typingctx, vector):  # type: ignore[no-untyped-def]
    """Bitwise or of all lanes, as a number."""
    if not isinstance(vector, Vector) or is_float(vector):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, f"llvm.vector.reduce.or.{suffix(vector)}", vector.dtype, args)

    return vector.dtype(vector), codegen
