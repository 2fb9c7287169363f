"""What only the kernels for images in lanes do with vectors; the rules of `vector.registers` hold for these, too."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.kernels.compiler.features import register_file
from workbench.kernels.vector.codegen import Vector, address_of, contiguous, in_every_lane, is_float

LANES = register_file().floats  # images side by side: a vector of them is one register


@intrinsic
def clipped(typingctx, vector, low, high):  # type: ignore[no-untyped-def]
    """Every lane of a vector of floats, but at least `low` and at most `high`, vectors as well; a NaN stays one."""
    if not (isinstance(vector, Vector) and is_float(vector) and vector == low == high):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return _clipped(builder, *args)

    return vector(vector, low, high), codegen


def _clipped(builder: Any, vector: Any, low: Any, high: Any) -> Any:
    raised = builder.select(builder.fcmp_ordered(">", low, vector), low, vector)
    return builder.select(builder.fcmp_ordered("<", high, raised), high, raised)


@intrinsic
def larger(typingctx, a, b):  # type: ignore[no-untyped-def]
    """The larger of two vectors of floats in every lane, NaN where one of them is."""
    if not (isinstance(a, Vector) and is_float(a) and a == b):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        a, b = args
        found = builder.select(builder.fcmp_ordered(">", a, b), a, b)  # b where one is NaN
        return builder.select(builder.fcmp_unordered("uno", a, a), a, found)

    return a(a, b), codegen


@intrinsic
def transpose(typingctx, source, first, distance, target):  # type: ignore[no-untyped-def]
    """Write a block of LANES × LANES float32 transposed to the first places of `target`.

    Row i of the block are the LANES elements of `source` from first + i · distance on.
    """
    if not (contiguous(source) and contiguous(target) and source.dtype == target.dtype == types.float32):
        return None
    if not (isinstance(first, types.Integer) and isinstance(distance, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        first = context.cast(builder, args[1], sig.args[1], types.intp)
        distance = context.cast(builder, args[2], sig.args[2], types.intp)
        vector = ir.VectorType(ir.FloatType(), LANES)
        rows: list[Any] = []
        for row in range(LANES):
            at = builder.add(first, builder.mul(distance, ir.Constant(distance.type, row)))
            rows.append(
                builder.load(
                    builder.bitcast(address_of(context, builder, sig.args[0], args[0], at), vector.as_pointer())
                )
            )
            rows[-1].align = 4
        # Each step swaps one bit of the row's number with that of the column's.
        for step in (2**bit for bit in range(LANES.bit_length() - 1)):
            for row in range(LANES):
                if row & step:
                    continue
                a, b = rows[row], rows[row + step]
                left = [j if not j & step else LANES + j - step for j in range(LANES)]
                right = [j + step if not j & step else LANES + j for j in range(LANES)]
                for place, chosen in ((row, left), (row + step, right)):
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), chosen)
                    rows[place] = builder.shuffle_vector(a, b, mask)
        for row in range(LANES):
            at = context.get_constant(types.intp, row * LANES)
            pointer = address_of(context, builder, sig.args[3], args[3], at)
            builder.store(rows[row], builder.bitcast(pointer, vector.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(source, first, distance, target), codegen


@intrinsic(prefer_literal=True)
def sum_block(  # type: ignore[no-untyped-def]
    typingctx, rows, columns, step, x, at, xr, places, weights, first, last, y, to, yr, other, add, br, start, low, high
):
    """Write a block of outputs: start + what `other` holds for it + Σ weights[i] · inputs, within low..high.

    i runs from `first` to `last` − 1. The block is rows × columns vectors of LANES float32, which stay in registers
    until y[to + r · yr + LANES · c] is written. Its inputs lie at x[at + places[i] + r · xr + step · c]. What is added
    lies at other[add + r · br + LANES · c]; it is nothing where `add` is negative, and may be in `y`. A NaN stays
    one. rows, columns and step are constants; start, low and high float32.

    One intrinsic and not the several hundred that a block consists of, which would take twice as long to compile.
    """
    if not all(isinstance(one, types.IntegerLiteral) for one in (rows, columns, step)):
        return None
    if not all(contiguous(one) and one.dtype == types.float32 for one in (x, y, other, weights)):
        return None
    if not contiguous(places) or not all(one == types.float32 for one in (start, low, high)):
        return None
    numbers = (at, xr, first, last, to, yr, add, br)
    if not all(isinstance(one, types.Integer) for one in numbers):
        return None
    high_, wide_, step_ = rows.literal_value, columns.literal_value, step.literal_value
    names = "rows columns step x at xr places weights first last y to yr other add br start low high"

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        of = dict(zip(names.split(), zip(args, sig.args, strict=True), strict=True))
        vector = ir.VectorType(ir.FloatType(), LANES)

        def number(name):  # type: ignore[no-untyped-def]
            return context.cast(builder, *of[name], types.intp)

        def pointers(name, begin, row, step):  # type: ignore[no-untyped-def]
            data = context.make_array(of[name][1])(context, builder, of[name][0]).data
            found = []
            for i in range(high_):
                begin = builder.add(begin, row) if i else begin
                for j in range(wide_):
                    place = builder.add(begin, ir.Constant(begin.type, j * step))
                    found.append(builder.bitcast(builder.gep(data, [place], inbounds=True), vector.as_pointer()))
            return found

        def loaded(pointer):  # type: ignore[no-untyped-def]
            found = builder.load(pointer)
            found.align = 4
            return found

        def joined(values, block, others, other_block):  # type: ignore[no-untyped-def]
            found = []
            for value, another in zip(values, others, strict=True):
                found.append(builder.phi(vector))
                found[-1].add_incoming(value, block)
                found[-1].add_incoming(another, other_block)
            return found

        first, last, at, to, add = (number(name) for name in ("first", "last", "at", "to", "add"))
        xr, yr, br = (number(name) for name in ("xr", "yr", "br"))
        begun = [in_every_lane(builder, of["start"][0], LANES)] * (high_ * wide_)
        entry = builder.block
        adding, summing, loop, over = (
            builder.append_basic_block(name) for name in ("adding", "summing", "loop", "over")
        )
        builder.cbranch(builder.icmp_signed(">=", add, ir.Constant(add.type, 0)), adding, summing)

        builder.position_at_end(adding)
        added = [builder.fadd(begun[0], loaded(place)) for place in pointers("other", add, br, LANES)]
        builder.branch(summing)

        builder.position_at_end(summing)
        begun = joined(begun, entry, added, adding)
        builder.cbranch(builder.icmp_signed("<", first, last), loop, over)

        builder.position_at_end(loop)
        i = builder.phi(first.type)
        sums = joined(begun, summing, begun, loop)
        weight = in_every_lane(
            builder, builder.load(address_of(context, builder, of["weights"][1], of["weights"][0], i)), LANES
        )
        place = builder.load(address_of(context, builder, of["places"][1], of["places"][0], i))
        place = builder.add(at, context.cast(builder, place, of["places"][1].dtype, types.intp))
        inputs = pointers("x", place, xr, step_)
        kind = ir.FunctionType(vector, [vector] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
        after = [
            builder.call(function, [loaded(pointer), weight, before])
            for pointer, before in zip(inputs, sums, strict=True)
        ]
        following = builder.add(i, ir.Constant(i.type, 1))
        i.add_incoming(first, summing)
        i.add_incoming(following, loop)
        for before, value in zip(sums, after, strict=True):
            before.incomings[1] = (value, loop)
        builder.cbranch(builder.icmp_signed("<", following, last), loop, over)

        builder.position_at_end(over)
        done = joined(begun, summing, after, loop)
        limits = [in_every_lane(builder, of[name][0], LANES) for name in ("low", "high")]
        for value, pointer in zip(done, pointers("y", to, yr, LANES), strict=True):
            builder.store(_clipped(builder, value, *limits), pointer).align = 4
        return context.get_dummy_value()

    given = (x, at, xr, places, weights, first, last, y, to, yr, other, add, br, start, low, high)
    return types.void(rows, columns, step, *given), codegen
