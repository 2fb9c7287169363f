"""Reading strips of packed codes and what goes with their outputs (see `code_tiles`) inside kernels.

A strip is worked on as sixteen lanes, however many outputs it has; nothing beyond its own is read.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.kernels._jit import jit
from workbench.kernels._sparse_vector import _first_lanes, load_some
from workbench.kernels._vector import Vector, _contiguous, _pointer, convert, load, splat


@intrinsic
def words(typingctx, packed, index, kept):  # type: ignore[no-untyped-def]
    """Sixteen 32-bit words of an array of bytes from byte `index` on; zero, and not read, beyond the first `kept`."""
    if not (_contiguous(packed) and packed.dtype == types.uint8):
        return None
    if not (isinstance(index, types.Integer) and isinstance(kept, types.Integer)):
        return None
    kind = Vector(types.uint32, 16)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        vector = context.get_value_type(kind)
        pointer = builder.bitcast(_pointer(context, builder, sig.args[0], args[0], index), vector.as_pointer())
        mask = _first_lanes(context, builder, args[2], sig.args[2], 16)
        align = ir.Constant(ir.IntType(32), 1)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [pointer.type, align.type, mask.type, vector]),
            "llvm.masked.load.v16i32.p0",
        )
        return builder.call(function, [pointer, align, mask, ir.Constant(vector, None)])

    return kind(packed, index, kept), codegen


@jit
def octets(packed, index, kept):  # type: ignore[no-untyped-def]
    """The same for bytes: sixteen of them, each widened to 32 bits."""
    found = load(packed, index, 16) if kept == 16 else load_some(packed, index, kept, 16)
    return convert(found, np.uint32)


@jit
def rest_code(packed, index, kept, bits, number):  # type: ignore[no-untyped-def]
    """Code `number` of each output's rest, which begins at byte `index`."""
    byte, shift = (number * bits) // 8, np.uint32((number * bits) % 8)
    code = octets(packed, index + byte * kept, kept)
    if shift + bits > 8:
        code = code | octets(packed, index + (byte + 1) * kept, kept) << np.uint32(8)
    return (code >> shift) & np.uint32((1 << bits) - 1)


@jit
def rest_quad(packed, index, kept, bits, first, count):  # type: ignore[no-untyped-def]
    """Codes `first` to first + 3 of each output's rest, one a byte; zero from code `count` on."""
    quad = splat(np.uint32(0), 16)
    for i in range(min(4, count - first)):
        quad = quad | rest_code(packed, index, kept, bits, first + i) << np.uint32(8 * i)
    return quad


@jit
def beside(values, index, kept):  # type: ignore[no-untyped-def]
    """What goes with each output, from `index` on, as float32; or the one value that goes with all."""
    if values.size == 1:
        return splat(np.float32(values[0]), 16)
    return convert(load_some(values, index, kept, 16), np.float32)
