"""Products of unsigned with signed bytes, summed in wider lanes; the rules of `registers` hold for these, too."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.compiler.features import wide
from workbench.kernels.vector.codegen import Vector, call, halves, is_float, joined

_PAIRS, _QUADS = Vector(types.int16, 32), Vector(types.int32, 16)


def _is_quads(kind: Any) -> bool:
    """Whether a Numba type is a vector of 64 bytes, four in each of sixteen lanes."""
    return isinstance(kind, Vector) and kind.lanes == 16 and kind.dtype.bitwidth == 32 and not is_float(kind)


@intrinsic
def dot_u8_i8(typingctx, total, unsigned, signed):  # type: ignore[no-untyped-def]
    """total + the sums of four products of bytes in each 32-bit lane; all are 32 bits x 16. Needs avx512vnni."""
    if not (_is_quads(total) and _is_quads(unsigned) and _is_quads(signed)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return call(context, builder, "llvm.x86.avx512.vpdpbusd.512", total, args)

    return total(total, unsigned, signed), codegen


@intrinsic
def pair_products(typingctx, unsigned, signed):  # type: ignore[no-untyped-def]
    """The sums of two products of bytes in each 16-bit lane: int16 x 32, of 32 bits x 16 each. Needs avx2.

    A sum that does not fit comes as the nearest number that does.
    """
    if not (_is_quads(unsigned) and _is_quads(signed)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        args = [builder.bitcast(one, ir.VectorType(ir.IntType(8), 64)) for one in args]
        return _multiply_and_add(context, builder, "avx512.pmaddubs.w.512", "avx2.pmadd.ub.sw", _PAIRS, args)

    return _PAIRS(unsigned, signed), codegen


@intrinsic
def pair_sums(typingctx, pairs):  # type: ignore[no-untyped-def]
    """Each number of an int16 x 32 added to its neighbour: int32 x 16. Needs avx2."""
    if pairs != _PAIRS:
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        args = [args[0], ir.Constant(args[0].type, [1] * 32)]
        return _multiply_and_add(context, builder, "avx512.pmaddw.d.512", "avx2.pmadd.wd", _QUADS, args)

    return _QUADS(pairs), codegen


def _multiply_and_add(context: Any, builder: Any, whole: str, half: str, result: Vector, args: Any) -> Any:
    """What an instruction of 64 bytes gives, or two of 32 where that is the largest."""
    if wide():
        return call(context, builder, f"llvm.x86.{whole}", result, args)
    kind = Vector(result.dtype, result.lanes // 2)
    parts = zip(*(halves(builder, one) for one in args), strict=True)
    return joined(builder, *(call(context, builder, f"llvm.x86.{half}", kind, part) for part in parts))
