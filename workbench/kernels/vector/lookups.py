"""Vector operations of permutations, masks and parts of vectors; the rules of `registers` hold for these, too."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.kernels.compiler.features import wide
from workbench.kernels.vector.codegen import (
    Vector,
    address_of,
    call,
    contiguous,
    halves,
    in_every_lane,
    is_float,
    joined,
    shuffled,
    suffix,
)


@intrinsic
def lanes_of(typingctx, width):  # type: ignore[no-untyped-def]
    """Eight for each element of the tuple `width`, a constant: how a kernel takes a number of lanes from its caller."""
    if not isinstance(width, types.UniTuple):
        return None
    lanes = 8 * width.count

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return context.get_constant(types.intp, lanes)

    return types.literal(lanes)(width), codegen


@intrinsic
def scaling_of(typingctx, scaling):  # type: ignore[no-untyped-def]
    """One less than the length of the tuple `scaling`, as a constant."""
    if not isinstance(scaling, types.UniTuple):
        return None
    number = scaling.count - 1

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return context.get_constant(types.intp, number)

    return types.literal(number)(scaling), codegen


@intrinsic
def item(typingctx, array, index):  # type: ignore[no-untyped-def]
    """The element of `array` at `index`, which is not negative; an integer comes as intp."""
    if not (contiguous(array) and isinstance(index, types.Integer)):
        return None
    result = types.intp if isinstance(array.dtype, types.Integer) else array.dtype

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        found = builder.load(address_of(context, builder, sig.args[0], args[0], index))
        return context.cast(builder, found, array.dtype, result)

    return result(array, index), codegen


@intrinsic
def word_at(typingctx, array, index):  # type: ignore[no-untyped-def]
    """Eight elements of a uint8 `array` from `index` on as one number, the first in its lowest byte."""
    if not (contiguous(array) and array.dtype == types.uint8 and isinstance(index, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = address_of(context, builder, sig.args[0], args[0], index)
        found = builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()))
        found.align = 1
        return found

    return types.int64(array, index), codegen


def first_lanes(builder: Any, kept: Any, lanes: int) -> Any:
    """Mask of the first `kept` lanes, a number of 64 bits."""
    word = ir.IntType(32)
    numbers = ir.Constant(ir.VectorType(word, lanes), list(range(lanes)))
    return builder.icmp_signed("<", numbers, in_every_lane(builder, builder.trunc(kept, word), lanes))


def loaded_some(builder: Any, pointer: Any, mask: Any, kind: Vector) -> Any:
    """The lanes at `pointer` that `mask` has, and zero in the others; reads nothing else."""
    vector = pointer.type.pointee
    align = ir.Constant(ir.IntType(32), kind.dtype.bitwidth // 8)
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [pointer.type, align.type, mask.type, vector]),
        f"llvm.masked.load.{suffix(kind)}.p0",
    )
    return builder.call(function, [pointer, align, mask, ir.Constant(vector, None)])


def stored_some(builder: Any, vector: Any, pointer: Any, kept: Any, kind: Vector) -> None:
    """Write the first `kept` lanes, a number of 64 bits, to `pointer`."""
    align = ir.Constant(ir.IntType(32), kind.dtype.bitwidth // 8)

    def store_masked() -> None:
        mask = first_lanes(builder, kept, kind.lanes)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [vector.type, pointer.type, align.type, mask.type]),
            f"llvm.masked.store.{suffix(kind)}.p0",
        )
        builder.call(function, [vector, pointer, align, mask])

    if wide():
        store_masked()
        return
    # A masked store of a shorter register takes tens of cycles on some processors.
    whole = builder.icmp_signed(">=", kept, ir.Constant(kept.type, kind.lanes))
    with builder.if_else(whole, likely=True) as (then, otherwise):
        with then:
            builder.store(vector, pointer).align = align.constant
        with otherwise:
            store_masked()


@intrinsic(prefer_literal=True)
def load_some(typingctx, array, index, kept, lanes):  # type: ignore[no-untyped-def]
    """The first `kept` elements of `array` from `index` on, and zero in the lanes beyond; reads nothing else."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(kept, types.Integer)):
        return None
    if not isinstance(lanes, types.IntegerLiteral):
        return None
    kind = Vector(array.dtype, lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index, kept = (context.cast(builder, args[i], sig.args[i], types.intp) for i in (1, 2))
        vector = context.get_value_type(kind)
        pointer = builder.bitcast(address_of(context, builder, sig.args[0], args[0], index), vector.as_pointer())
        return loaded_some(builder, pointer, first_lanes(builder, kept, kind.lanes), kind)

    return kind(array, index, kept, lanes), codegen


@intrinsic
def store_some(typingctx, array, index, vector, kept):  # type: ignore[no-untyped-def]
    """Write the first `kept` lanes of `vector` to `array` from `index` on."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(vector, Vector)):
        return None
    if array.dtype != vector.dtype or not isinstance(kept, types.Integer):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index, kept = (context.cast(builder, args[i], sig.args[i], types.intp) for i in (1, 3))
        target = args[2].type.as_pointer()
        pointer = builder.bitcast(address_of(context, builder, sig.args[0], args[0], index), target)
        stored_some(builder, args[2], pointer, kept, vector)
        return context.get_dummy_value()

    return types.void(array, index, vector, kept), codegen


@intrinsic
def bit_count(typingctx, scalar):  # type: ignore[no-untyped-def]
    """Number of set bits."""
    if not isinstance(scalar, types.Integer):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.ctpop(context.cast(builder, args[0], sig.args[0], types.int64))

    return types.int64(scalar), codegen


@intrinsic
def trailing_zeros(typingctx, scalar):  # type: ignore[no-untyped-def]
    """Place of the lowest set bit of a number that is not zero."""
    if not isinstance(scalar, types.Integer):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        bits = context.cast(builder, args[0], sig.args[0], types.int64)
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

    return types.int64(scalar), codegen


def _are_indices(kind: Any) -> bool:
    """Whether a Numba type is a vector of sixteen integers of 32 bits."""
    return isinstance(kind, Vector) and kind.lanes == 16 and kind.dtype.bitwidth == 32 and not is_float(kind)


@intrinsic
def permute8(typingctx, table, indices):  # type: ignore[no-untyped-def]
    """table[indices & 7] for float32 x 8 and 32-bit indices x 16. Needs avx2."""
    if table != Vector(types.float32, 8) or not _are_indices(indices):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return looked_up(context, builder, *args)

    return Vector(types.float32, 16)(table, indices), codegen


@intrinsic
def permute16(typingctx, table, indices):  # type: ignore[no-untyped-def]
    """table[indices & 15] for float32 x 16 and 32-bit indices. Needs avx2."""
    if table != Vector(types.float32, 16) or not _are_indices(indices):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return looked_up(context, builder, *args)

    return table(table, indices), codegen


@intrinsic
def permute32(typingctx, low, indices, high):  # type: ignore[no-untyped-def]
    """(low ++ high)[indices & 31] for float32 x 16 each and 32-bit indices. Needs avx2."""
    if low != Vector(types.float32, 16) or low != high or not _are_indices(indices):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        low, indices, high = args
        if wide():
            return call(context, builder, "llvm.x86.avx512.vpermi2var.ps.512", sig.return_type, args)
        return looked_up(context, builder, joined(builder, low, high), indices)

    return low(low, indices, high), codegen


def looked_up(context: Any, builder: Any, table: Any, indices: Any) -> Any:
    """table[indices & (its lanes − 1)], by halves where the registers are too short."""
    if table.type.count == indices.type.count == 16 and wide():
        kind = Vector(types.float32, 16)
        return call(context, builder, "llvm.x86.avx512.permvar.sf.512", kind, [table, indices])
    if indices.type.count == 16:
        return joined(builder, *(looked_up(context, builder, table, half) for half in halves(builder, indices)))
    kind = Vector(types.float32, 8)
    if table.type.count == 8:
        return call(context, builder, "llvm.x86.avx2.permps", kind, [table, indices])
    low, high = (looked_up(context, builder, half, indices) for half in halves(builder, table))
    # The bit that chooses between them becomes the sign, which a blend goes by.
    sign = builder.shl(indices, ir.Constant(indices.type, [33 - table.type.count.bit_length()] * 8))
    return call(context, builder, "llvm.x86.avx.blendv.ps.256", kind, [low, high, builder.bitcast(sign, low.type)])


@intrinsic
def lookup16(typingctx, tables, indices):  # type: ignore[no-untyped-def]
    """table[index] of bytes x 32, indices below 16; the first half has one table of 16, the other one. Needs avx2."""
    if tables != Vector(types.uint8, 32) or indices != tables:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, "llvm.x86.avx2.pshuf.b", sig.return_type, args)

    return tables(tables, indices), codegen


@intrinsic(prefer_literal=True)
def part(typingctx, vector, start, lanes):  # type: ignore[no-untyped-def]
    """`lanes` neighbouring lanes from `start` on."""
    if not isinstance(vector, Vector) or not all(isinstance(one, types.IntegerLiteral) for one in (start, lanes)):
        return None
    kind, first = Vector(vector.dtype, lanes.literal_value), start.literal_value

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return shuffled(builder, args[0], range(first, first + kind.lanes))

    return kind(vector, start, lanes), codegen


@intrinsic
def by_byte(typingctx, vector):  # type: ignore[no-untyped-def]
    """Of bytes x 64, four a lane of 32 bits: the first bytes of all lanes, then all second ones, and so on.

    Each in the order of lanes 0-3, 8-11, 4-7, 12-15, which takes fewer instructions.
    """
    if vector != Vector(types.uint8, 64):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        # Inside sixteen bytes first, then fours of bytes between them.
        inside = [16 * quarter + 4 * i + byte for quarter in range(4) for byte in range(4) for i in range(4)]
        found = builder.bitcast(shuffled(builder, args[0], inside), ir.VectorType(ir.IntType(32), 16))
        between = [4 * quarter + byte for byte in range(4) for quarter in (0, 2, 1, 3)]
        return builder.bitcast(shuffled(builder, found, between), args[0].type)

    return vector(vector), codegen


@intrinsic(prefer_literal=True)
def counting(typingctx, step, divide, lanes):  # type: ignore[no-untyped-def]
    """int32 x lanes: lane j holds step · (j // divide)."""
    if not (isinstance(step, types.Integer) and isinstance(divide, types.Integer)):
        return None
    if not isinstance(lanes, types.IntegerLiteral):
        return None
    kind = Vector(types.int32, lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        lane = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), list(range(kind.lanes)))
        step = in_every_lane(builder, context.cast(builder, args[0], sig.args[0], types.int32), kind.lanes)
        divide = in_every_lane(builder, context.cast(builder, args[1], sig.args[1], types.int32), kind.lanes)
        return builder.mul(step, builder.udiv(lane, divide))

    return kind(step, divide, lanes), codegen
