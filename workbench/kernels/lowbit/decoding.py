"""A block of packed weights, decoded into memory (see `code_tiles` for how codes lie in it).

One intrinsic and not the several hundred that a block consists of, which would take ten times as long to compile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.lowbit.floating_source import place
from workbench.kernels.vector.codegen import Vector, address_of, contiguous, gathered
from workbench.kernels.vector.lookups import looked_up

_VALUES = Vector(types.float32, 16)
_WORD = ir.VectorType(ir.IntType(32), 16)


@intrinsic(prefer_literal=True)
def decode_block(typingctx, bits, pitch, words, first, levels, zeros, scales, panel, to):  # type: ignore[no-untyped-def]
    """Write the sixteen values of each input of a block to `panel`, a float32 array, at to + input · pitch.

    words: bytes, of which those of the block begin at `first`. levels: what codes stand for, an array or a vector;
    None where a code is its own value. zeros, scales: float32 x 16, what is taken off a value, and what it is then
    multiplied by; None for neither. bits and pitch are constants.
    """
    if not all(isinstance(one, types.IntegerLiteral) for one in (bits, pitch)):
        return None
    if not (contiguous(words) and words.dtype == types.uint8 and contiguous(panel) and panel.dtype == types.float32):
        return None
    if not all(isinstance(one, types.Integer) for one in (first, to)):
        return None
    if not (isinstance(levels, types.NoneType | Vector) or (contiguous(levels) and levels.dtype == types.float32)):
        return None
    if not (zeros == scales == _VALUES or zeros == scales == types.none):
        return None
    width, distance = bits.literal_value, pitch.literal_value

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        first, to = (context.cast(builder, args[i], sig.args[i], types.intp) for i in (3, 8))
        level, zero, scale = args[4:7]

        def value(code):  # type: ignore[no-untyped-def]
            if isinstance(levels, Vector):
                return looked_up(context, builder, level, code)
            if isinstance(levels, types.Array):
                return gathered(context, builder, levels, level, code, signed=False)
            return builder.sitofp(code, context.get_value_type(_VALUES))

        held = []
        for row in range(width):
            at = builder.add(first, ir.Constant(first.type, 64 * row))
            pointer = builder.bitcast(address_of(context, builder, words, args[2], at), _WORD.as_pointer())
            held.append(builder.load(pointer))
            held[-1].align = 1
        for k in range(INPUTS):
            found = value(_code(builder, held, width, k, masked=not isinstance(levels, Vector)))
            if zeros != types.none:
                found = builder.fmul(builder.fsub(found, zero), scale)
            at = builder.add(to, ir.Constant(to.type, k * distance))
            pointer = builder.bitcast(address_of(context, builder, panel, args[7], at), found.type.as_pointer())
            builder.store(found, pointer).align = 4
        return context.get_dummy_value()

    return types.void(bits, pitch, words, first, levels, zeros, scales, panel, to), codegen


def _code(builder: Any, held: list[Any], bits: int, k: int, masked: bool) -> Any:
    """Codes of input k, one a lane; masked: without the bits above them, which a look-up does not heed."""
    row, byte = divmod(k, 4)
    shift = place(bits, k)
    if shift is None:
        word, shift, width = _joined(builder, held, bits, row), 8 * byte, 8
    else:
        word, width = held[row * bits // 8], bits
    code = builder.lshr(word, ir.Constant(_WORD, [shift] * 16)) if shift else word
    if not masked or shift + width == 32:
        return code
    return builder.and_(code, ir.Constant(_WORD, [2**width - 1] * 16))


def _joined(builder: Any, held: list[Any], bits: int, row: int) -> Any:
    """A row whose codes two words share, each in a byte of its own."""
    at, shift = divmod(row * bits, 8)
    inside = 8 - shift

    def part(moved: Any, byte: int) -> Any:
        return builder.and_(moved, ir.Constant(_WORD, [byte * 0x01010101] * 16))

    low = part(builder.lshr(held[at], ir.Constant(_WORD, [shift] * 16)), 2**inside - 1)
    high = part(builder.shl(held[at + 1], ir.Constant(_WORD, [inside] * 16)), 2**bits - 2**inside)
    return builder.or_(low, high)
