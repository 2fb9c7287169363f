"""Sparse streams decoded: packed places and codes to positions and values in scratch, 16 entries at a time.

The vectors here are of no processor in particular: LLVM makes them of what there is.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.compiler.features import wide
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.codegen import Vector, in_every_lane
from workbench.kernels.vector.lookups import bit_count, item, permute16, word_at
from workbench.kernels.vector.registers import convert, gather, load, splat, store
from workbench.kernels.vector.selection import SET_LANES
from workbench.kernels.vector.stretches import clear, copy, scratch

ROWS, COLUMNS, WIDTH, BITS, COUNT, BLOCK, GROUPS, GROUP = range(8)  # places in a stream's `facts`
_ENTRIES = Vector(types.int32, 16)
_WIDE = wide()
_BEYOND = np.int32(2**31 - 1)


@intrinsic
def unpacked(typingctx, low, high, width):  # type: ignore[no-untyped-def]
    """int32 x 16: codes of `width` bits, eight from each of two 64-bit numbers, the lowest bits first."""
    if not all(isinstance(one, types.Integer) for one in (low, high, width)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        long = ir.IntType(64)
        low, high, width = (
            context.cast(builder, one, kind, types.int64) for one, kind in zip(args, sig.args, strict=True)
        )
        words = ir.VectorType(ir.IntType(32), 16)
        shifts = builder.mul(in_every_lane(builder, width, 8), ir.Constant(ir.VectorType(long, 8), list(range(8))))
        halves = [builder.bitcast(builder.lshr(in_every_lane(builder, one, 8), shifts), words) for one in (low, high)]
        codes = builder.shuffle_vector(*halves, ir.Constant(words, list(range(0, 32, 2))))
        mask = builder.trunc(builder.sub(builder.shl(long(1), width), long(1)), ir.IntType(32))
        return builder.and_(codes, in_every_lane(builder, mask, 16))

    return _ENTRIES(low, high, width), codegen


@intrinsic
def running_sum(typingctx, vector):  # type: ignore[no-untyped-def]
    """Lane j of int32 x 16: the sum of lanes 0 to j."""
    if vector != _ENTRIES:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        total = args[0]
        nothing = ir.Constant(total.type, None)
        for step in (1, 2, 4, 8):
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), 16), [16 - step + i for i in range(16)])
            total = builder.add(total, builder.shuffle_vector(nothing, total, lanes))
        return total

    return vector(vector), codegen


@intrinsic
def last_everywhere(typingctx, vector):  # type: ignore[no-untyped-def]
    """The last element of int32 x 16 in every lane."""
    if vector != _ENTRIES:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), 16), [15] * 16)
        return builder.shuffle_vector(args[0], ir.Constant(args[0].type, ir.Undefined), lanes)

    return vector(vector), codegen


@intrinsic
def below(typingctx, vector, limit):  # type: ignore[no-untyped-def]
    """How many lanes of int32 x 16 are below `limit`."""
    if vector != _ENTRIES or not isinstance(limit, types.Integer):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        limit = context.cast(builder, args[1], sig.args[1], types.int32)
        found = builder.icmp_signed("<", args[0], in_every_lane(builder, limit, 16))
        return builder.ctpop(builder.zext(builder.bitcast(found, ir.IntType(16)), ir.IntType(64)))

    return types.int64(vector, limit), codegen


@jit
def eight_bytes(array, index):  # type: ignore[no-untyped-def]
    """Bytes index .. index + 7 of an `array` of 8 or more; what lies behind its end is undefined, and not read."""
    at = min(index, array.size - 8)
    return np.int64(np.uint64(word_at(array, at)) >> np.uint64(((index - at) & 7) << 3))


@jit
def whole_table(stream):  # type: ignore[no-untyped-def]
    """The stream's table in scratch, with an entry for every code that its bits can say; empty where it has none."""
    table, bits = stream[3], stream[7][BITS]
    if table.size == 0:
        return table
    whole = scratch(max(16, 1 << bits), np.float32)
    copy(table, 0, table.size, whole, 0)
    clear(whole, table.size, whole.size)
    return whole


@jit
def block_room(stream, start, stop):  # type: ignore[no-untyped-def]
    """Entries, rounded up, of the largest of blocks start..stop: what `decode` needs room for."""
    marks = stream[6]
    most = 0
    for block in range(start, stop):
        first, last = marks[2 * block], marks[2 * block + 2]
        most = max(most, last - (first & -16))
    return most + 64


@jit(fast_math=True)
def decode(stream, table, block, count, places, values, ends):  # type: ignore[no-untyped-def]
    """So many blocks of rows from `block` on into scratch.

    places: int32, the position of each entry counted from the first row on; values: float32; both of `block_room`
    elements a block. ends: int64 [rows of the blocks + 1], where row r's entries begin, and end, in `places`.
    Returns (values, shift): entry i has its value at i + shift of what is returned, yet to be multiplied by its row's
    scale, see `row_scales`.
    """
    listed, scale, points, marks, facts = stream[0], stream[4], stream[5], stream[6], stream[7]
    columns, width, groups, group = facts[COLUMNS], facts[WIDTH], facts[GROUPS], facts[GROUP]
    row_0 = block * facts[BLOCK]
    height = min(facts[BLOCK] * count, facts[ROWS] - row_0)
    first = marks[2 * block]
    begin = first & -16
    size = marks[2 * (block + count)] - begin
    origin = row_0 * columns
    if width >= 2:
        _from_gaps(listed, width, begin, size, marks[2 * block + 1] - origin, places)
    elif width == 1:
        store(places, 0, splat(np.int32(-1), 16))
        _from_bits(listed, origin, origin + height * columns, first - begin, places)
    else:
        for i in range(size):
            places[i] = begin - origin + i
    store(places, size, splat(_BEYOND, 16))
    _find_ends(places, size, first - begin, columns, height, ends)
    found, shift = decode_values(stream, table, block, count, values)
    if points.size or groups > 1:
        for row in range(height):
            for i in range(ends[row], ends[row + 1]):
                which = (row_0 + row) * groups + (item(places, i) - row * columns) // group
                offset = np.float32(item(points, which)) if points.size else np.float32(0)
                values[i] = (values[i] - offset) * item(scale, which)
    return found, shift


@jit
def decode_values(stream, table, block, count, values):  # type: ignore[no-untyped-def]
    """The values of these blocks alone, as `decode` returns them, where `row_scales` has all scales of the stream."""
    codes, floats, marks = stream[1], stream[2], stream[6]
    begin = marks[2 * block] & -16
    if floats.size:
        return floats, begin
    _from_codes(codes, stream[7][BITS], begin, marks[2 * (block + count)] - begin, table, stream[8], values)
    return values, 0


@jit
def _find_ends(places, size, at, columns, height, ends):  # type: ignore[no-untyped-def]
    """ends[r]: the first entry, from number `at` on, of row r. places: ascending; -1 or less before `at`."""
    ends[0] = at
    row, limit = 0, columns
    for i in range(0, size + 1, 16):
        while row < height and item(places, i + 15) >= limit:
            row += 1
            ends[row] = i + below(load(places, i, 16), limit)
            limit += columns


@jit
def row_scales(stream):  # type: ignore[no-untyped-def]
    """What the sums of rows are yet to be multiplied by: a number for each, or one for all."""
    if stream[5].size == 0 and stream[7][GROUPS] == 1:
        return stream[4]
    one = scratch(1, np.float32)
    one[0] = 1
    return one


@jit
def _from_gaps(listed, width, begin, size, before, places):  # type: ignore[no-untyped-def]
    """before: position of the entry before `begin`."""
    byte = begin // 8 * width
    last = splat(np.int32(before), 16)
    for i in range(0, size, 16):
        gaps = unpacked(eight_bytes(listed, byte), eight_bytes(listed, byte + width), width)
        found = running_sum(gaps + 1) + last
        store(places, i, found)
        last = last_everywhere(found)
        byte += 2 * width


@jit
def _from_bits(listed, start, stop, at, places):  # type: ignore[no-untyped-def]
    """Set bits of start..stop, counted from `start` on, to `places` from `at` on."""
    for bit in range(start & -64, stop, 64):
        mask = eight_bytes(listed, bit >> 3)
        if bit < start:
            mask &= -1 << (start - bit)
        if stop - bit < 64:
            mask &= (1 << (stop - bit)) - 1
        place = np.int32(bit - start)
        for _ in range(8):
            store(places, at, convert(load(SET_LANES, (mask & 255) << 3, 8), np.int32) + place)
            at += bit_count(mask & 255)
            mask >>= 8
            place += np.int32(8)


@jit(fast_math=True)
def _from_codes(codes, bits, begin, size, table, point, values):  # type: ignore[no-untyped-def]
    byte = begin // 8 * bits
    small = _WIDE and bits <= 4
    for i in range(0, size, 16):
        code = unpacked(eight_bytes(codes, byte), eight_bytes(codes, byte + bits), bits)
        if table.size == 0:
            store(values, i, convert(code, np.float32) - point)
        elif small:
            store(values, i, _looked_up(table, code))
        else:
            store(values, i, gather(table, code))
        byte += 2 * bits


if _WIDE:

    @jit
    def _looked_up(table, code):  # type: ignore[no-untyped-def]
        return permute16(load(table, 0, 16), code)

else:

    @jit
    def _looked_up(table, code):  # type: ignore[no-untyped-def]
        return gather(table, code)
