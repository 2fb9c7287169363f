"""The inner loop of every binary product: in how many bits the words of an input and of 32 outputs' weights differ.

Plainly that is xor, popcount and add for each word. Fewer operations do where words come in pairs, stored as
(a, a ^ b): with `odd` the parity so far of the differing bits in every position, a pair of words adds

    first = x[a] ^ w[a];  after = odd ^ x[a ^ b] ^ w[a ^ b];  carry = majority(odd, first, second);  odd = after

where the second word's differences follow from the other three. 2 · popcount(carry), and popcount(odd) once at the
end, is the count: the carry-save adder of Harley and Seal, whose sum output is all but free, because xor passes through
the packing. With logic of three inputs that is five operations a pair in place of six, and half of the popcounts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.vector.aligned import LINE

LANES = 32  # outputs in a tile of weights
NATIVE = wide() and has("avx512vpopcntdq")  # counting bits in 32-bit lanes, and logic of three inputs, are instructions
ROWS = 5 if NATIVE else 1  # rows of the input that the registers hold counts for
_PAIRS_IN_A_BYTE = 31  # each adds at most 8

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@intrinsic(prefer_literal=True)
def sign_products(  # type: ignore[no-untyped-def]
    typingctx, x, places, first, runs, length, w, at, bases, scale, bias, column, y, to, stride, rows, paired
):
    """y[to + r · stride + lane] = scale · (base − 2 · differing bits) + bias of input row first + r, for r in 0..rows.

    x: uint32 words. places: int64 [.., 2], where each row's words begin in x, and where its bases in `bases` (float32).
    runs: int64, where each of a row's stretches of words begins, counted from the row's beginning. length: of a stretch
    in words, or in pairs of words if `paired`. w: uint32 words of 32 outputs, side by side, from `at` on, 64-byte
    aligned. column: the first output's place in a row's bases, in scale and in bias (float32). rows and paired are
    constants.
    """
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(paired, types.IntegerLiteral)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        read = _Arguments(context, builder, sig, args)
        loop = _Loop(builder, rows.literal_value, bool(paired.literal_value))
        column, to, stride = (read.number(name) for name in (10, 12, 13))
        places = [builder.add(to, builder.mul(stride, _I64(row))) for row in range(loop.rows)]
        for place in places:  # the lines of the result come from afar, and are there when the counts are
            loop.prefetch(builder.gep(read.pointer(11), [place]))
        totals = loop.emit(read)
        floats = ir.VectorType(ir.FloatType(), loop.lanes)
        minus_two = ir.Constant(floats, [-2.0] * loop.lanes)
        for (row, part), total in zip(loop.cells, totals, strict=True):
            lane = builder.add(column, _I64(part * loop.lanes))
            base_at = builder.add(loop.place(read, row, 1), lane)
            base, factor, offset = (
                loop.load(builder.gep(read.pointer(name), [at]), floats)
                for name, at in ((7, base_at), (8, lane), (9, lane))
            )
            value = loop.call("llvm.fmuladd", minus_two, builder.sitofp(total, floats), base)
            value = loop.call("llvm.fmuladd", value, factor, offset)
            at = builder.add(places[row], _I64(part * loop.lanes))
            loop.store(value, builder.gep(read.pointer(11), [at]))
        return context.get_dummy_value()

    arguments = (x, places, first, runs, length, w, at, bases, scale, bias, column, y, to, stride, rows, paired)
    return types.void(*arguments), codegen


@intrinsic(prefer_literal=True)
def add_mismatches(  # type: ignore[no-untyped-def]
    typingctx, x, places, first, runs, length, w, at, shift, totals, rows, paired
):
    """totals[r, lane] += differing bits << shift, for r in 0..rows. totals: uint32 [rows, 32]; the rest as above."""
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(paired, types.IntegerLiteral)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        read = _Arguments(context, builder, sig, args)
        loop = _Loop(builder, rows.literal_value, bool(paired.literal_value))
        found = loop.emit(read)
        shift = loop.splat(builder.trunc(read.number(7), _I32))
        for (row, part), total in zip(loop.cells, found, strict=True):
            at = builder.gep(read.pointer(8), [_I64(row * LANES + part * loop.lanes)])
            loop.store(builder.add(loop.load(at, loop.kind), builder.shl(total, shift)), at)
        return context.get_dummy_value()

    return types.void(x, places, first, runs, length, w, at, shift, totals, rows, paired), codegen


class _Arguments:
    """The arguments of an intrinsic by their number: arrays as pointers, integers as 64 bits."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any) -> None:
        self._context, self._builder, self._sig, self._args = context, builder, sig, args

    def array(self, name: int) -> Any:
        return self._context.make_array(self._sig.args[name])(self._context, self._builder, self._args[name])

    def pointer(self, name: int) -> Any:
        return self.array(name).data

    def size(self, name: int) -> Any:
        return cgutils.unpack_tuple(self._builder, self.array(name).shape)[0]

    def number(self, name: int) -> Any:
        return self._context.cast(self._builder, self._args[name], self._sig.args[name], types.int64)


class _Loop:
    """Writes the loop. A cell is one row and the part of the 32 outputs that one register holds."""

    def __init__(self, builder: Any, rows: int, paired: bool) -> None:
        self.builder, self.rows, self.paired = builder, rows, paired
        self.lanes = 16 if NATIVE else 8
        self.kind = ir.VectorType(_I32, self.lanes)
        self.parts = LANES // self.lanes
        self.cells = [(row, part) for row in range(rows) for part in range(self.parts)]
        self.words = 2 if paired else 1  # taken at a time

    def emit(self, read: _Arguments) -> list[Any]:
        """Counts of differing bits, one vector a cell. The first seven arguments are those of `sign_products`."""
        builder, zero = self.builder, ir.Constant(self.kind, None)
        x, runs, length = read.pointer(0), read.pointer(3), read.number(4)
        weights = builder.gep(read.pointer(5), [read.number(6)])
        inputs = [builder.gep(x, [self.place(read, row, 0)]) for row in range(self.rows)]
        # Counts are held in bytes where bytes are what the processor can count in; these are their sums.
        sums = [] if NATIVE else [cgutils.alloca_once_value(builder, zero) for _ in self.cells]
        for one in sums:
            builder.store(zero, one)

        def in_run(run: Any, state: list[Any]) -> list[Any]:
            begin = builder.load(builder.gep(runs, [run]))
            words = [builder.gep(one, [begin]) for one in inputs]
            tile = builder.gep(weights, [builder.mul(builder.mul(run, length), _I64(self.words * LANES))])

            def at(index: Any, state: list[Any]) -> list[Any]:
                return self._step(words, tile, builder.mul(index, _I64(self.words)), state)

            if NATIVE:
                return self._repeat(_I64(0), length, 1, state, at)

            def in_block(index: Any, parities: list[Any]) -> list[Any]:
                rest = builder.add(index, _I64(_PAIRS_IN_A_BYTE))
                stop = builder.select(builder.icmp_signed("<", rest, length), rest, length)
                state = self._repeat(index, stop, 1, [zero] * len(self.cells) + parities, at)
                for one, counts in zip(sums, state, strict=False):
                    builder.store(builder.add(builder.load(one), self._sum_of_bytes(counts)), one)
                return state[len(self.cells) :]

            return self._repeat(_I64(0), length, _PAIRS_IN_A_BYTE, state, in_block)

        carried = len(self.cells) * (NATIVE + self.paired)  # counts, and parities
        state = self._repeat(_I64(0), read.size(3), 1, [zero] * carried, in_run)
        counts = state[: len(self.cells)] if NATIVE else [builder.load(one) for one in sums]
        if not self.paired:
            return counts
        odds = [self._popcount(odd, _I32) for odd in state[-len(self.cells) :]]
        return [builder.add(builder.add(count, count), odd) for count, odd in zip(counts, odds, strict=True)]

    def place(self, read: _Arguments, row: int, which: int) -> Any:
        """Where the words (0) or the bases (1) of a row begin."""
        builder = self.builder
        at = builder.mul(builder.add(read.number(2), _I64(row)), _I64(2))
        return builder.load(builder.gep(read.pointer(1), [builder.add(at, _I64(which))]))

    def splat(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.kind, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, _I32(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(self.kind, None))

    def load(self, pointer: Any, kind: Any, align: int = 4) -> Any:
        found = self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()))
        found.align = align
        return found

    def store(self, vector: Any, pointer: Any) -> None:
        self.builder.store(vector, self.builder.bitcast(pointer, vector.type.as_pointer())).align = 4

    def prefetch(self, pointer: Any) -> None:
        """Ask for the cache lines of LANES results from `pointer` on, which are to be written."""
        byte = _I8.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        for line in range(0, LANES, LINE // 4):
            at = self.builder.bitcast(self.builder.gep(pointer, [_I64(line)]), byte)
            self.builder.call(function, [at, _I32(1), _I32(3), _I32(1)])

    def call(self, name: str, *vectors: Any) -> Any:
        kind = vectors[0].type
        element = f"i{kind.element.width}" if isinstance(kind.element, ir.IntType) else "f32"
        function = ir.FunctionType(kind, [kind] * len(vectors))
        full_name = f"{name}.v{kind.count}{element}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function, full_name), vectors)

    def _step(self, inputs: list[Any], tile: Any, word: Any, state: list[Any]) -> list[Any]:
        """Counts and parities after one more word, or pair of words."""
        builder, cells = self.builder, self.cells
        places = [builder.add(word, _I64(which)) for which in range(self.words)]
        x = [[self.splat(builder.load(builder.gep(one, [at]))) for one in inputs] for at in places]
        w = [[self._weights(tile, at, part) for part in range(self.parts)] for at in places]
        counts, odds = list(state[: len(cells)]), list(state[len(cells) :])
        for index, (row, part) in enumerate(cells):
            bits = builder.xor(x[0][row], w[0][part])
            if self.paired and NATIVE:
                after = self._ternary(odds[index], x[1][row], w[1][part], _PARITY)
                bits, odds[index] = self._ternary(odds[index], bits, after, _MAJORITY), after
            elif self.paired:
                step = builder.xor(x[1][row], w[1][part])
                after = builder.xor(odds[index], step)
                bits = builder.xor(bits, builder.and_(step, builder.xor(bits, odds[index])))
                odds[index] = after
            counts[index] = self._add_popcount(counts[index], bits)
        return counts + odds

    def _repeat(
        self, start: Any, stop: Any, by: int, state: list[Any], body: Callable[[Any, list[Any]], list[Any]]
    ) -> list[Any]:
        """state = body(index, state) for index in start, start + by, .. below stop."""
        builder = self.builder
        before = builder.block
        test, inside, after = (builder.append_basic_block(name) for name in ("test", "inside", "after"))
        builder.branch(test)
        builder.position_at_end(test)
        index = builder.phi(_I64)
        index.add_incoming(start, before)
        held = [builder.phi(self.kind) for _ in state]
        for phi, value in zip(held, state, strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
        builder.position_at_end(inside)
        found = body(index, held)
        index.add_incoming(builder.add(index, _I64(by)), builder.block)
        for phi, value in zip(held, found, strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(test)
        builder.position_at_end(after)
        return held

    def _weights(self, tile: Any, word: Any, part: int) -> Any:
        at = self.builder.add(self.builder.mul(word, _I64(LANES)), _I64(part * self.lanes))
        return self.load(self.builder.gep(tile, [at]), self.kind, align=self.lanes * 4)

    def _add_popcount(self, counts: Any, bits: Any) -> Any:
        if NATIVE:
            return self.builder.add(counts, self._popcount(bits, _I32))
        in_bytes = ir.VectorType(_I8, self.lanes * 4)
        sides = [self.builder.bitcast(one, in_bytes) for one in (counts, self._popcount(bits, _I8))]
        return self.builder.bitcast(self.builder.add(*sides), self.kind)

    def _popcount(self, vector: Any, element: Any) -> Any:
        """Bits set in every element, seen as 32-bit lanes."""
        elements = self.builder.bitcast(vector, ir.VectorType(element, self.lanes * 32 // element.width))
        return self.builder.bitcast(self.call("llvm.ctpop", elements), self.kind)

    def _sum_of_bytes(self, counts: Any) -> Any:
        """The sum of each lane's four bytes."""
        builder = self.builder
        even = builder.and_(counts, self._constant(0x00FF00FF))
        odd = builder.and_(builder.lshr(counts, self._constant(8)), self._constant(0x00FF00FF))
        halves = builder.add(even, odd)
        return builder.add(builder.and_(halves, self._constant(0xFFFF)), builder.lshr(halves, self._constant(16)))

    def _constant(self, value: int) -> Any:
        return ir.Constant(self.kind, [value] * self.lanes)

    def _ternary(self, a: Any, b: Any, c: Any, table: int) -> Any:
        """Any logic of three inputs: each bit is the one at 4a + 2b + c of `table`. Needs avx512f."""
        kind = ir.FunctionType(self.kind, [self.kind] * 3 + [_I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.x86.avx512.pternlog.d.512")
        return self.builder.call(function, [a, b, c, _I32(table)])


def _table(logic: Callable[[int, int, int], int]) -> int:
    return sum(logic(at >> 2, at >> 1 & 1, at & 1) << at for at in range(8))


_PARITY = _table(lambda a, b, c: a ^ b ^ c)
# Of (odd, first, second), given odd, first and the parity of all three.
_MAJORITY = _table(lambda odd, first, parity: int(odd + first + (odd ^ first ^ parity) >= 2))
