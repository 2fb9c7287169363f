"""Products of bits by look-up, where a table of 16 bytes is one instruction and counting bits is none.

Four bits of an output's weights are the index into a table that four bits of an input make: entry w is the number of
bits in which w differs from them. One instruction looks up as many outputs as a register has bytes. The table holds two
rows of the input at once, one in each half of its bytes: three such sums, of up to 4 each, fit into four bits before
the halves are parted, 20 of those into a byte, and bytes are then added to 16 bits in memory. That is ten instructions
for three look-ups, 3 1/3 for 256 products of signs with registers of 32 bytes; xor, and and the same look-ups as a
popcount of their result (Muła, Kurz, Lemire, Faster Population Counts Using AVX2 Instructions, 2018) take 5 or more
behind the deepest tree of carry-save adders. Look-ups of products as such are in Wei et al., T-MAC, EuroSys 2025.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.kernels.compiler.features import register_file
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.codegen import Vector, address_of, call, contiguous
from workbench.kernels.vector.lookups import item, store_some
from workbench.kernels.vector.registers import convert, fma, load, prefetch, splat, store, view
from workbench.kernels.vector.stretches import clear, scratch

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]
Tiles = NDArray[Any]
Floats = NDArray[np.float32]

LANES = register_file().bytes  # outputs in a tile of weights
_HALF = LANES // 2
_TILES = 4  # side by side: two counts and a sum for each, a table, a mask and what is looked up take 15 registers of 16
_STEP = 3  # a row's bytes come in multiples of this many: six look-ups
_BLOCK = 10 * _STEP  # bytes after which counts are added to 16 bits: twenty sums of up to 12
_CHUNK = 272  # blocks that 16 bits can count
_PAIRS = 64  # pairs of rows, at the most, for which the halves of the weights' bytes are made once
_ENTRIES = 2**16  # that a block of rows takes at the most, but for a pair that alone takes more; see `_fill`


def _table() -> Bytes:
    """[second · 16 + first, w]: in how many bits w differs from `first`, plus 16 times that for `second`."""
    four = np.arange(16, dtype=np.uint8)
    differing = np.bitwise_count(four[:, None] ^ four)
    found = aligned((256, 16), np.uint8)
    found[...] = (differing[None] + 16 * differing[:, None]).reshape(256, 16)
    return found


_TABLE = _table().reshape(-1)


def tiled(rows: Words) -> Tiles:
    """Words [outputs, W] as aligned tiles [tiles, bytes, LANES], uint8.

    The bytes of outputs i and LANES / 2 + i are neighbours. A row's are a multiple of _STEP; what is beyond its words
    is zero.
    """
    outputs, width = rows.shape
    tiles = -(-outputs // LANES)
    padded = np.zeros((tiles * LANES, row_bytes(width)), np.uint8)
    padded[:outputs, : 4 * width] = np.ascontiguousarray(rows).view(np.uint8)
    found = aligned((tiles, padded.shape[1], LANES), np.uint8)
    found.reshape(tiles, -1, LANES // 2, 2)[...] = padded.reshape(tiles, 2, LANES // 2, -1).transpose(0, 3, 2, 1)
    return found


def row_bytes(words: int) -> int:
    """Bytes of a row of so many words."""
    return -(-4 * words // _STEP) * _STEP


def multiply_signs(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    length: int,
    paired: bool,
    weights: Tiles,
    bases: Floats,
    scale: Floats,
    bias: Floats,
    y: Floats,
    outputs: int,
    threads: int,
) -> None:
    """See `counts.multiply_signs`."""
    depth = weights.shape[1]
    each, units = _units(len(places), depth, len(weights), threads)
    arguments = (x.view(np.uint8), places, runs, 4 * length, _TABLE, weights.reshape(-1), depth, each)
    split(_signs, units, threads, *arguments, bases, scale, bias, y.reshape(-1).view(np.uint32), outputs)


def multiply_planes(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    length: int,
    paired: bool,
    weights: Tiles,
    x_parts: Words,
    w_parts: Words,
    y: NDArray[np.int32],
    outputs: int,
    threads: int,
) -> None:
    """See `counts.multiply_planes`."""
    w_planes, depth = weights.shape[1:3]
    each, units = _units(len(places), depth * len(runs), len(weights), threads)
    arguments = (x.view(np.uint8), places, runs, 4 * length, _TABLE, weights.reshape(-1), w_planes, depth, each)
    split(_planes, units, threads, *arguments, x_parts, w_parts, y.reshape(-1).view(np.uint32), outputs)


def _units(rows: int, entries: int, tiles: int, threads: int) -> tuple[int, int]:
    """Pairs of rows in a block, each with so many entries; units: blocks by groups of tiles, enough for `threads`."""
    pairs, groups = -(-rows // 2), _groups(tiles)
    most = max(1, min(_PAIRS, _ENTRIES // entries))
    blocks = max(1, -(-pairs // most), min(pairs, -(-threads // groups)))
    each = max(1, -(-pairs // blocks))
    return each, -(-pairs // each) * groups


def _count_source(tiles: int) -> str:
    """The loop for some tiles side by side: every register has a name."""
    each = range(tiles)
    lines = [
        f"def count_{tiles}(halves, table, offsets, at, apart, pairs, triples, sums, y, to, outputs, lines):",
        "    for pair in range(pairs):",
        "        entry, half = at + pair * apart, 0",
        "        for line in range(lines):",
        "            prefetch(y, to + (2 * pair) * outputs + 16 * line)",
        "            prefetch(y, to + (2 * pair + 1) * outputs + 16 * line)",
        *(f"        first{c} = second{c} = splat(np.uint8(0), LANES)" for c in each),
        "        for _ in range(triples):",
    ]
    for step in range(3):
        lines.append(f"            several = repeat(table, item(offsets, entry + {step}), LANES)")
        for c in each:
            found = f"look_up(several, load(halves, half + {step * tiles + c} * LANES, LANES))"
            lines.append(f"            both{c} {'+' if step else ''}= {found}")
    for c in each:
        lines.append(f"            first{c} += both{c} & np.uint8(15)")
        lines.append(f"            second{c} += high_half(both{c})")
    lines += [f"            entry, half = entry + 3, half + {3 * tiles} * LANES"]
    for which, name in enumerate(("first", "second")):
        for c in each:
            lines.append(f"        add_bytes(sums, (2 * pair + {which}) * {tiles} * LANES + {c} * LANES, {name}{c})")
    return "\n".join(lines) + "\n"


@jit
def high_half(both):  # type: ignore[no-untyped-def]
    """The upper four bits of every byte."""
    return view(view(both, np.uint16) >> np.uint16(4), np.uint8) & np.uint8(15)


@jit
def add_bytes(sums, at, counts):  # type: ignore[no-untyped-def]
    """sums[at + i] += counts of output i, which lie as in `tiled`."""
    pairs = view(counts, np.uint16)
    store(sums, at, load(sums, at, _HALF) + (pairs & np.uint16(255)))
    store(sums, at + _HALF, load(sums, at + _HALF, _HALF) + (pairs >> np.uint16(8)))


@intrinsic
def look_up(typingctx, table, indices):  # type: ignore[no-untyped-def]
    """table[index] for bytes below 16, sixteen entries for each sixteen lanes. Needs avx2; avx512bw for 64 lanes."""
    names = {32: "llvm.x86.avx2.pshuf.b", 64: "llvm.x86.avx512.pshuf.b.512"}
    if not isinstance(table, Vector) or table != indices or table.dtype != types.uint8 or table.lanes not in names:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, names[table.lanes], table, args)

    return table(table, indices), codegen


@intrinsic(prefer_literal=True)
def repeat(typingctx, array, index, lanes):  # type: ignore[no-untyped-def]
    """Sixteen bytes of `array` from `index` on, again and again in `lanes` lanes."""
    if not (contiguous(array) and isinstance(index, types.Integer) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(types.uint8, lanes.literal_value)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        few = ir.VectorType(ir.IntType(8), 16)
        found = builder.load(
            builder.bitcast(address_of(context, builder, sig.args[0], args[0], index), few.as_pointer())
        )
        found.align = 16
        order = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), [lane % 16 for lane in range(kind.lanes)])
        return builder.shuffle_vector(found, ir.Constant(few, ir.Undefined), order)

    return kind(array, index, lanes), codegen


@jit
def _fill(x, places, row, runs, length, entries, at, stop):  # type: ignore[no-untyped-def]
    """entries[at:stop] = where the tables of each byte of rows `row` and `row` + 1 begin.

    Two in each 32 bits: for the byte's low half, and for its high half.
    """
    other = min(row + 1, len(places) - 1)
    for run in range(runs.size):
        one, two = 4 * (places[row, 0] + runs[run]), 4 * (places[other, 0] + runs[run])
        byte = 0
        while byte + 16 <= length:
            first = convert(load(x, one + byte, 16), np.uint32)
            second = convert(load(x, two + byte, 16), np.uint32)
            low = ((first & 15) << 4) | ((second & 15) << 8)
            store(entries, at + byte, low | ((first & 240) << 16) | ((second & 240) << 20))
            byte += 16
        while byte < length:
            some, others = convert(load(x, one + byte, 4), np.uint32), convert(load(x, two + byte, 4), np.uint32)
            low = ((some & 15) << 4) | ((others & 15) << 8)
            store(entries, at + byte, low | ((some & 240) << 16) | ((others & 240) << 20))
            byte += 4
        at += length
    while at < stop:
        entries[at] = 0
        at += 1


@jit
def _halve(w, at, apart, tiles, count, halves):  # type: ignore[no-untyped-def]
    """The two halves of `count` bytes of some tiles of outputs, one after another."""
    for tile in range(tiles):
        for byte in range(count):
            both = load(w, at + tile * apart + byte * LANES, LANES)
            to = (2 * byte * tiles + tile) * LANES
            store(halves, to, both & np.uint8(15))
            store(halves, to + tiles * LANES, high_half(both))


@jit
def _settle(sums, totals, size, shift):  # type: ignore[no-untyped-def]
    """totals += sums << shift, and sums = 0."""
    for at in range(0, size, 16):
        store(totals, at, load(totals, at, 16) + (convert(load(sums, at, 16), np.uint32) << shift))
        store(sums, at, splat(np.uint16(0), 16))


@jit
def _groups(tiles):  # type: ignore[no-untyped-def]
    """Groups that so many tiles make: of four, then one of two, one of one."""
    return tiles // 4 + (tiles % 4) // 2 + tiles % 2


@jit
def _group(group, tiles):  # type: ignore[no-untyped-def]
    """The first tile of a group, and how many it has."""
    if group < tiles // 4:
        return 4 * group, 4
    if tiles % 4 >= 2 and group == tiles // 4:
        return tiles // 4 * 4, 2
    return tiles - 1, 1


@jit
def _differing(  # type: ignore[no-untyped-def]
    table, entries, first, pairs, w, at, apart, depth, tiles, halves, sums, totals, shift, y, to, outputs
):
    """sums + totals [row, output] = in how many bits rows and weights differ << shift, and what `totals` were before.

    entries: from `first` on those of the rows, see `_fill`. at: where the first tile's weights begin. apart: bytes
    from one tile's to the next's. halves, sums: room for both. to: where in y the first row's results are to be
    written; their cache lines come from afar, and are asked for while the last bytes are worked on.
    """
    size = 2 * pairs * tiles * LANES
    for index in range(0, size, 16):
        store(sums, index, splat(np.uint16(0), 16))
    offsets = entries.view(np.uint16)
    blocks = (depth + _BLOCK - 1) // _BLOCK
    most = (depth // _STEP + blocks - 1) // blocks * _STEP
    added = 0
    for byte in range(0, depth, most):
        if added == _CHUNK:
            _settle(sums, totals, size, shift)
            added = 0
        added += 1
        count = min(most, depth - byte)
        _halve(w, at + byte * LANES, apart, tiles, count, halves)
        lines = tiles * LANES // 16 if byte + count == depth else 0
        start, triples = 2 * (first + byte), 2 * count // 3
        if tiles == 4:
            count_4(halves, table, offsets, start, 2 * depth, pairs, triples, sums, y, to, outputs, lines)
        elif tiles == 2:
            count_2(halves, table, offsets, start, 2 * depth, pairs, triples, sums, y, to, outputs, lines)
        else:
            count_1(halves, table, offsets, start, 2 * depth, pairs, triples, sums, y, to, outputs, lines)


@jit
def _room(each, entries):  # type: ignore[no-untyped-def]
    """Memory for a block of `each` pairs of rows: entries, halves, sums and totals, the last all zero."""
    size = 2 * each * _TILES * LANES
    totals = scratch(size, np.uint32)
    clear(totals, 0, size)
    halves, sums = scratch(_BLOCK * 2 * _TILES * LANES, np.uint8), scratch(size, np.uint16)
    return scratch(each * entries, np.uint32), halves, sums, totals


@jit
def _signs(  # type: ignore[no-untyped-def]
    x, places, runs, length, table, w, depth, each, bases, scale, bias, y, outputs, start, stop
):
    """Units start..stop of the product, the bits of floats; a unit is `each` pairs of rows and a group of tiles."""
    rows, tiles = len(places), (outputs + LANES - 1) // LANES
    groups = _groups(tiles)
    entries, halves, sums, totals = _room(each, depth)
    begin, shift = np.int64(0), np.uint32(0)  # of types as in `_planes`, or what is called is compiled twice
    filled = -1
    for unit in range(start, stop):
        block, row = unit // groups, 2 * (unit // groups) * each
        tile, here = _group(unit % groups, tiles)
        pairs = min(each, (rows - row + 1) // 2)
        if block != filled:
            filled = block
            for pair in range(pairs):
                _fill(x, places, row + 2 * pair, runs, length, entries, pair * depth, (pair + 1) * depth)
        first, at, apart = tile * LANES, tile * LANES * depth, LANES * depth
        to = row * outputs + first
        _differing(table, entries, begin, pairs, w, at, apart, depth, here, halves, sums, totals, shift, y, to, outputs)
        for r in range(min(2 * pairs, rows - row)):
            base, cell = places[row + r, 1], r * here * LANES - first
            column, end = first, min(outputs, first + here * LANES)
            while column < end:
                found = convert(load(sums, cell + column, 16), np.uint32)
                if depth > _CHUNK * _BLOCK:
                    found = found + load(totals, cell + column, 16)
                    store(totals, cell + column, splat(np.uint32(0), 16))
                both = convert(view(found + found, np.int32), np.float32)
                value = load(bases, base + column, 16) - both
                value = fma(value, load(scale, column, 16), load(bias, column, 16))
                _write(y, (row + r) * outputs + column, view(value, np.uint32), end - column)
                column += 16


@jit
def _write(y, at, vector, kept):  # type: ignore[no-untyped-def]
    """The first `kept` of 16 lanes, or all of them."""
    if kept >= 16:
        store(y, at, vector)
    else:
        store_some(y, at, vector, kept)


@jit
def _planes(  # type: ignore[no-untyped-def]
    x, places, runs, length, table, w, w_planes, depth, each, x_parts, w_parts, y, outputs, start, stop
):
    """Units start..stop of the product, as in `_signs`."""
    rows, tiles = len(places), (outputs + LANES - 1) // LANES
    groups, planes = _groups(tiles), len(runs)
    entries, halves, sums, totals = _room(each, depth * planes)
    filled = -1
    for unit in range(start, stop):
        block, row = unit // groups, 2 * (unit // groups) * each
        tile, here = _group(unit % groups, tiles)
        pairs = min(each, (rows - row + 1) // 2)
        if block != filled:
            filled = block
            for m in range(planes):
                for pair in range(pairs):
                    to = (m * each + pair) * depth
                    _fill(x, places, row + 2 * pair, runs[m], length, entries, to, to + depth)
        first, size = tile * LANES, 2 * pairs * here * LANES
        to = row * outputs + first
        for n in range(w_planes):
            at, apart = (tile * w_planes + n) * LANES * depth, w_planes * LANES * depth
            for m in range(planes):
                shift = np.uint32(m + n)
                begin = m * each * depth
                _differing(
                    table, entries, begin, pairs, w, at, apart, depth, here, halves, sums, totals, shift, y, to, outputs
                )
                _settle(sums, totals, size, shift)
        for r in range(min(2 * pairs, rows - row)):
            cell = r * here * LANES - first
            column, end = first, min(outputs, first + here * LANES)
            while column < end:
                both = load(w_parts, column, 16) + x_parts[row + r]
                found = (both - load(totals, cell + column, 16)) >> 1
                _write(y, (row + r) * outputs + column, found, end - column)
                column += 16
        for index in range(0, size, 16):
            store(totals, index, splat(np.uint32(0), 16))


count_1, count_2, count_4 = (
    generated(__name__, f"count_{tiles}", partial(_count_source, tiles)) for tiles in (1, 2, 4)
)
