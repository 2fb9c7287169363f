"""Blocks of a matrix transposed in registers; the rules of `registers` hold here, too."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.vector.codegen import address_of, contiguous

# Of two vectors of eight: their neighbours in turn, their pairs in turn, and their halves in turn. In this order each
# round is one instruction a vector wherever registers hold 4 or 8 floats in parts of 4.
_ROUNDS = (
    ((0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)),
    ((0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)),
    ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)),
)


@intrinsic
def transpose8(typingctx, source, first, distance, target, to, apart):  # type: ignore[no-untyped-def]
    """Write the transpose of a block of 8 × 8 float32 of `source` to `target`.

    Row i of the block begins at first + i · distance, of what is written at to + i · apart.
    """
    if not (contiguous(source) and contiguous(target) and source.dtype == target.dtype == types.float32):
        return None
    if not all(isinstance(one, types.Integer) for one in (first, distance, to, apart)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        word, vector = ir.IntType(32), ir.VectorType(ir.FloatType(), 8)
        first, distance, to, apart = (
            context.cast(builder, args[place], sig.args[place], types.intp) for place in (1, 2, 4, 5)
        )

        def address(place, begin, step, row):  # type: ignore[no-untyped-def]
            at = builder.add(begin, builder.mul(step, ir.Constant(step.type, row)))
            return builder.bitcast(address_of(context, builder, sig.args[place], args[place], at), vector.as_pointer())

        rows = []
        for row in range(8):
            rows.append(builder.load(address(0, first, distance, row)))
            rows[-1].align = 4
        # Round by round, vectors that are 1, 2 and 4 apart are mixed, as are the numbers of their elements.
        for step, masks in zip((1, 2, 4), _ROUNDS, strict=True):
            mixed = list(rows)
            for row in range(8):
                if not row & step:
                    for half, mask in enumerate(masks):
                        chosen = ir.Constant(ir.VectorType(word, 8), list(mask))
                        mixed[row + half * step] = builder.shuffle_vector(rows[row], rows[row + step], chosen)
            rows = mixed
        for column, row in enumerate((0, 2, 1, 3, 4, 6, 5, 7)):
            written = builder.store(rows[row], address(3, to, apart, column))
            written.align = 4
        return context.get_dummy_value()

    return types.void(source, first, distance, target, to, apart), codegen
