"""The sums of a block of neighbouring outputs, for convolutions with decoded weights.

One intrinsic and not the hundred that a block consists of, which would take five times as long to compile.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.compiler.features import register_file
from workbench.kernels.vector.codegen import contiguous
from workbench.kernels.vector.lookups import first_lanes, loaded_some, stored_some
from workbench.kernels.vector.writing import Writing


def lanes_at_once() -> int:
    """Floats in a register."""
    return register_file().floats


@intrinsic(prefer_literal=True)
def sum_block(  # type: ignore[no-untyped-def]
    typingctx, rows, width, planes, at, offsets, inputs, last, panel, first, bias, output, outputs, target, to, step,
    kept, whole,
):  # fmt: skip
    """Write `rows` outputs at neighbouring places, `width` registers of these: bias + Σ panel · inputs.

    An output's input k lies offsets[k] after its place in `planes`, the first place's at `at`; of the last register
    `last` places are read. The weight of input k and row r is panel[16 · k + first + r], its bias bias[output + r].
    Row r is written to `target` from to + r · step on, the first `kept` rows, and the first `whole` places of the last
    register. rows and width are constants.
    """
    if not all(isinstance(one, types.IntegerLiteral) for one in (rows, width)):
        return None
    if not all(contiguous(one) and one.dtype == types.float32 for one in (planes, panel, bias, target)):
        return None
    numbers = (at, inputs, last, first, output, outputs, to, step, kept, whole)
    if not contiguous(offsets) or not all(isinstance(one, types.Integer) for one in numbers):
        return None
    high, wide = rows.literal_value, width.literal_value
    names = "rows width planes at offsets inputs last panel first bias output outputs target to step kept whole"

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        write = Writing(context, builder, names.split(), sig, args, lanes_at_once())
        at, first, output, to, step = map(write.number, ("at", "first", "output", "to", "step"))
        mask = first_lanes(builder, write.number("last"), write.lanes)
        end = write.plus(write.number("outputs"), -1)

        def bias_of(row):  # type: ignore[no-untyped-def]
            place = write.plus(output, row)
            place = builder.select(builder.icmp_signed("<", place, end), place, end)
            return write.everywhere(write.item("bias", place))

        def added(k, sums):  # type: ignore[no-untyped-def]
            place = builder.add(at, write.item("offsets", k))
            weight = builder.add(builder.mul(k, ir.Constant(k.type, 16)), first)
            x = [write.load("planes", write.plus(place, i * write.lanes)) for i in range(wide - 1)]
            rest = write.addresses("planes", write.plus(place, (wide - 1) * write.lanes))
            x.append(loaded_some(builder, rest, mask, write.kind))
            w = [write.everywhere(write.item("panel", write.plus(weight, row))) for row in range(high)]
            return [write.fma(x[i % wide], w[i // wide], one) for i, one in enumerate(sums)]

        begun = [one for row in range(high) for one in [bias_of(row)] * wide]
        found = write.repeated(write.number("inputs"), begun, added)
        kept, whole = write.number("kept"), write.number("whole")
        for row in range(high):
            with builder.if_then(builder.icmp_signed("<", ir.Constant(kept.type, row), kept), likely=True):
                start = builder.add(to, builder.mul(ir.Constant(step.type, row), step))
                *others, last_of_row = found[row * wide : row * wide + wide]
                for i, one in enumerate(others):
                    write.store("target", write.plus(start, i * write.lanes), one)
                rest = write.addresses("target", write.plus(start, (wide - 1) * write.lanes))
                stored_some(builder, last_of_row, rest, whole, write.kind)
        return context.get_dummy_value()

    before = (rows, width, planes, at, offsets, inputs, last, panel, first, bias, output, outputs)
    return types.void(*before, target, to, step, kept, whole), codegen
