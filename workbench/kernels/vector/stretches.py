"""Stretches of memory, made, cleared or copied at once; the rules of `registers` hold for these, too.

NumPy's functions and slices do the same, and take from a tenth of a second to two seconds to compile.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from workbench.kernels.vector.aligned import LINE
from workbench.kernels.vector.codegen import address_of, contiguous


@intrinsic
def scratch(typingctx, size, dtype):  # type: ignore[no-untyped-def]
    """An array of `size` elements, contents undefined, whose first byte lies on a cache line."""
    if not (isinstance(size, types.Integer) and isinstance(dtype, types.NumberClass)):
        return None
    kind = types.Array(dtype.dtype, 1, "C")

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        size = context.cast(builder, args[0], sig.args[0], types.intp)
        element = context.get_data_type(kind.dtype)
        each = ir.Constant(size.type, context.get_abi_sizeof(element))
        held = context.nrt.meminfo_alloc_aligned(builder, builder.mul(size, each), LINE)
        array = context.make_array(kind)(context, builder)
        data = builder.bitcast(context.nrt.meminfo_data(builder, held), element.as_pointer())
        populate_array(array, data, [size], [each], each, held)
        return array._getvalue()

    return kind(size, dtype), codegen


@intrinsic
def clear(typingctx, array, start, stop):  # type: ignore[no-untyped-def]
    """Make elements start..stop of `array` zero; none where there is none between."""
    if not (contiguous(array) and isinstance(start, types.Integer) and isinstance(stop, types.Integer)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        start, stop = (
            context.cast(builder, one, kind, types.intp) for one, kind in zip(args[1:], sig.args[1:], strict=True)
        )
        pointer = address_of(context, builder, sig.args[0], args[0], start)
        count = builder.sub(stop, start)
        none = ir.Constant(count.type, 0)
        count = builder.select(builder.icmp_signed(">", count, none), count, none)
        size = builder.mul(count, ir.Constant(count.type, context.get_abi_sizeof(pointer.type.pointee)))
        cgutils.memset(builder, pointer, size, 0)
        return context.get_dummy_value()

    return types.void(array, start, stop), codegen


@intrinsic
def copy(typingctx, source, first, count, target, to):  # type: ignore[no-untyped-def]
    """Copy `count` elements of `source` from `first` on to `target` from `to` on; they may not overlap."""
    if not (contiguous(source) and contiguous(target) and source.dtype == target.dtype):
        return None
    if not all(isinstance(one, types.Integer) for one in (first, count, to)):
        return None

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        first, count, to = (context.cast(builder, args[i], sig.args[i], types.intp) for i in (1, 2, 4))
        pointers = [address_of(context, builder, sig.args[i], args[i], at) for i, at in ((3, to), (0, first))]
        cgutils.raw_memcpy(builder, *pointers, count, context.get_abi_sizeof(pointers[0].type.pointee))
        return context.get_dummy_value()

    return types.void(source, first, count, target, to), codegen
