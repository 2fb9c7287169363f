"""Lanes chosen by a mask or by number: a register's worth at once, in the form that the processor has for it.

Where masks are no operands (AVX2), the permutation that a mask of eight lanes stands for is looked up. The rules of
`registers` hold for these, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.codegen import Vector, call, is_float, suffix
from workbench.kernels.vector.lookups import permute32
from workbench.kernels.vector.registers import convert, load, view

_WIDE, _AVX2 = wide(), has("avx2")
SELECTS = _WIDE or _AVX2  # whether lanes are chosen in a few instructions
LANES = 16 if _WIDE else 8  # of the vectors here

_MASKS = (np.arange(256)[:, None] >> np.arange(8)) & 1
# Of each mask of eight lanes, the lanes that are set, in order, then the others.
SET_LANES = np.argsort(1 - _MASKS, axis=1, kind="stable").astype(np.uint8).reshape(-1)
# For each lane of each mask, how many are set before it; negative where it is not set itself.
_RANKS = np.where(_MASKS == 1, np.cumsum(_MASKS, axis=1) - 1, -1).astype(np.int8).reshape(-1)


def _fits(vector: Any) -> bool:
    return isinstance(vector, Vector) and vector.lanes == LANES and vector.dtype.bitwidth == 32


def _by_mask(context: Any, builder: Any, sig: Any, args: Any, name: str) -> Any:
    """What AVX-512's instruction `name` makes of 16 lanes and a mask."""
    bits = builder.trunc(context.cast(builder, args[1], sig.args[1], types.int64), ir.IntType(16))
    bits = builder.bitcast(bits, ir.VectorType(ir.IntType(1), 16))
    kind = ir.FunctionType(args[0].type, [args[0].type, args[0].type, bits.type])
    name = f"llvm.x86.avx512.mask.{name}.{suffix(sig.args[0])}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [args[0], ir.Constant(args[0].type, None), bits])


@intrinsic
def _compress(typingctx, vector, mask):  # type: ignore[no-untyped-def]
    if not (_fits(vector) and isinstance(mask, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        if _WIDE:
            return _by_mask(context, builder, sig, args, "compress")
        word = ir.IntType(32)
        room = cgutils.alloca_once(builder, args[0].type)
        first = builder.bitcast(room, args[0].type.element.as_pointer())
        bits = builder.trunc(context.cast(builder, args[1], sig.args[1], types.int64), word)
        at = word(0)
        for lane in range(LANES):  # a lane that is left out is overwritten by the next
            builder.store(builder.extract_element(args[0], word(lane)), builder.gep(first, [at]))
            at = builder.add(at, builder.and_(builder.lshr(bits, word(lane)), word(1)))
        return builder.load(room)

    return vector(vector, mask), codegen


@intrinsic
def _expand(typingctx, vector, mask):  # type: ignore[no-untyped-def]
    if not (_fits(vector) and isinstance(mask, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return _by_mask(context, builder, sig, args, "expand")

    return vector(vector, mask), codegen


@intrinsic
def _permute(typingctx, vector, numbers):  # type: ignore[no-untyped-def]
    """vector[numbers & 7] for 8 lanes. Needs avx2."""
    if not (_fits(vector) and _fits(numbers)) or is_float(numbers):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        name = "llvm.x86.avx2.permps" if is_float(vector) else "llvm.x86.avx2.permd"
        return call(context, builder, name, vector, args)

    return vector(vector, numbers), codegen


@intrinsic
def where_negative(typingctx, numbers, there, elsewhere):  # type: ignore[no-untyped-def]
    """The lanes of `there` where int32 `numbers` are negative, else of `elsewhere`."""
    if not (_fits(numbers) and _fits(there) and there == elsewhere):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        numbers, there, elsewhere = args
        negative = builder.icmp_signed("<", numbers, ir.Constant(numbers.type, None))
        return builder.select(negative, there, elsewhere)

    return there(numbers, there, elsewhere), codegen


if _WIDE:

    @jit
    def compressed(vector, mask):  # type: ignore[no-untyped-def]
        """The lanes of 32 bits whose bit of `mask` is set, in order; what follows them is undefined."""
        return _compress(vector, mask)

    @jit
    def expanded(vector, mask):  # type: ignore[no-untyped-def]
        """The first lanes of float32, one for each set bit of `mask` in order; zero elsewhere. Needs `SELECTS`."""
        return _expand(vector, mask)

    @jit
    def selected(low, high, numbers):  # type: ignore[no-untyped-def]
        """(low ++ high)[numbers modulo 2 · LANES] for float32 and int32 numbers. Needs `SELECTS`."""
        return permute32(low, numbers, high)

elif _AVX2:

    @jit
    def compressed(vector, mask):  # type: ignore[no-untyped-def]
        return _permute(vector, convert(load(SET_LANES, (mask & 255) << 3, 8), np.int32))

    @jit
    def expanded(vector, mask):  # type: ignore[no-untyped-def]
        ranks = convert(load(_RANKS, (mask & 255) << 3, 8), np.int32)
        there = view(_permute(vector, ranks), np.int32) & ((ranks >> 31) ^ -1)
        return view(there, np.float32)

    @jit
    def selected(low, high, numbers):  # type: ignore[no-untyped-def]
        return where_negative(numbers << 28, _permute(high, numbers), _permute(low, numbers))

else:

    @jit
    def compressed(vector, mask):  # type: ignore[no-untyped-def]
        return _compress(vector, mask)

    @jit
    def expanded(vector, mask):  # type: ignore[no-untyped-def]
        return vector  # never called where there is no such instruction

    @jit
    def selected(low, high, numbers):  # type: ignore[no-untyped-def]
        return low  # nor is this
