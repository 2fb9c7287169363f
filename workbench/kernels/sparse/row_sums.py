"""Rows of decoded entries times several lanes at once."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.sparse.tiles import PAIRED, WIDEST
from workbench.kernels.vector.codegen import contiguous
from workbench.kernels.vector.writing import Writing

WIDTHS = tuple(sorted({max(WIDEST // part, 8) for part in (1, 2, 4, 8)}))  # numbers of lanes


@intrinsic
def sum_rows(  # type: ignore[no-untyped-def]
    typingctx, lanes, places, values, shift, ends, row_0, height, x, x_0, group_rows, group_x, scales, bias, sums
):
    """Products of `height` rows from row_0 on with the lanes of `x` from x_0 + place on, scaled, with the bias.

    Row i of them has entries ends[i] to ends[i + 1] of `places`, whose values begin at `shift` in `values`. Every
    `group_rows` rows, the part of `x` that is read begins `group_x` further on. sums: [height, lanes]. scales: one or
    one a row. bias: none or one a row. lanes: one of `WIDTHS`.
    """
    if not all(map(contiguous, (places, ends))):
        return None
    if not all(contiguous(one) and one.dtype == types.float32 for one in (values, x, scales, bias, sums)):
        return None
    if not all(isinstance(one, types.Integer) for one in (lanes, shift, row_0, height, x_0, group_rows, group_x)):
        return None
    names = "lanes places values shift ends row_0 height x x_0 group_rows group_x scales bias sums"

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        for width in WIDTHS:
            write = Writing(context, builder, names.split(), sig, args, width)
            lanes = write.number("lanes")
            with builder.if_then(builder.icmp_signed("==", lanes, ir.Constant(lanes.type, width))):
                _write_rows(write)
        return context.get_dummy_value()

    before = (lanes, places, values, shift, ends, row_0, height, x, x_0, group_rows, group_x)
    return types.void(*before, scales, bias, sums), codegen


def _write_rows(write: Writing) -> None:
    builder, paired = write.builder, write.lanes <= PAIRED
    shift, row_0, x_0 = map(write.number, ("shift", "row_0", "x_0"))
    group_rows, group_x = write.number("group_rows"), write.number("group_x")
    one, none = ir.Constant(shift.type, 1), ir.Constant(shift.type, 0)
    scaled_each = builder.icmp_signed(">", write.size("scales"), one)
    has_bias = builder.icmp_signed(">", write.size("bias"), none)

    def row_sum(number, state):  # type: ignore[no-untyped-def]
        begin, until, at = state
        row = builder.add(row_0, number)
        turns = builder.icmp_signed("==", row, until)
        begin = builder.select(turns, builder.add(begin, group_x), begin)
        until = builder.select(turns, builder.add(until, group_rows), until)
        end = write.item("ends", write.plus(number, 1))
        count = builder.sub(end, at)

        def product(entry, total):  # type: ignore[no-untyped-def]
            weight = write.everywhere(write.item("values", builder.add(entry, shift)))
            return write.fma(weight, write.load("x", builder.add(begin, write.item("places", entry))), total)

        def pair(number, totals):  # type: ignore[no-untyped-def]
            entry = builder.add(at, builder.shl(number, one))
            first, *others = totals
            first = product(entry, first)
            (last,) = others or (first,)
            last = product(write.plus(entry, 1), last)
            return (first, last) if paired else (last,)

        begun = [ir.Constant(write.vector, None)] * (2 if paired else 1)
        totals = write.repeated(builder.ashr(count, one), begun, pair)
        is_odd = builder.trunc(count, ir.IntType(1))
        totals[0] = write.where(is_odd, lambda: product(write.plus(end, -1), totals[0]), totals[0])
        total = builder.fadd(*totals) if paired else totals[0]
        factor = write.item("scales", builder.select(scaled_each, row, none))
        initial = write.where(has_bias, lambda: write.item("bias", row), ir.Constant(ir.FloatType(), 0))
        total = write.fma(total, write.everywhere(factor), write.everywhere(initial))
        write.store("sums", builder.mul(number, ir.Constant(number.type, write.lanes)), total)
        return begin, until, end

    group = builder.sdiv(row_0, group_rows)
    begin = builder.add(x_0, builder.mul(group, group_x))
    until = builder.mul(write.plus(group, 1), group_rows)
    write.repeated(write.number("height"), (begin, until, write.item("ends", none)), row_sum)
