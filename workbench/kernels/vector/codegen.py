"""What vector operations are written with: the type of a vector, and pieces of LLVM code that several of them need.

context and builder are Numba's; they write code at compile time, nothing here runs in a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model


class Vector(types.Type):
    """Numba type of a vector: `lanes` elements of `dtype`."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")

    @property
    def key(self) -> tuple[Any, int]:
        return self.dtype, self.lanes


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, kind.lanes))


def is_float(kind: Vector) -> bool:
    """Whether the elements of a vector are floats."""
    return isinstance(kind.dtype, types.Float)


def in_every_lane(builder: Any, scalar: Any, lanes: int) -> Any:
    """A vector of `lanes` times `scalar`."""
    if isinstance(scalar, ir.Constant):
        return ir.Constant(ir.VectorType(scalar.type, lanes), [scalar.constant] * lanes)
    vector = ir.VectorType(scalar.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def address_of(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Pointer to the element at `index` of an array of type `kind`."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index], inbounds=True)


def gathered(context: Any, builder: Any, kind: Any, array: Any, indices: Any, *, signed: bool) -> Any:
    """The elements of an array of type `kind` at a vector of integers."""
    data = context.make_array(kind)(context, builder, array).data
    word = ir.IntType(64)
    if indices.type.element != word:
        indices = (builder.sext if signed else builder.zext)(indices, ir.VectorType(word, indices.type.count))
    result = ir.Constant(ir.VectorType(context.get_value_type(kind.dtype), indices.type.count), ir.Undefined)
    for lane in range(indices.type.count):  # LLVM makes a gather of this where that is better
        at = ir.Constant(ir.IntType(32), lane)
        pointer = builder.gep(data, [builder.extract_element(indices, at)], inbounds=True)
        result = builder.insert_element(result, builder.load(pointer), at)
    return result


def contiguous(array: Any) -> bool:
    """Whether a Numba type is an array in C order."""
    return isinstance(array, types.Array) and array.layout == "C"


def suffix(kind: Vector) -> str:
    """What LLVM appends to an intrinsic for such vectors, as in `llvm.fmuladd.v16f32`."""
    return f"v{kind.lanes}{'f' if is_float(kind) else 'i'}{kind.dtype.bitwidth}"


def call(context: Any, builder: Any, name: str, result: Any, args: Any) -> Any:
    """What LLVM's intrinsic `name` gives, of the Numba type `result`."""
    kind = ir.FunctionType(context.get_value_type(result), [one.type for one in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def halves(builder: Any, vector: Any) -> tuple[Any, Any]:
    """The lower and the upper half of a vector's lanes: for instructions of shorter registers."""
    half = vector.type.count // 2
    return shuffled(builder, vector, range(half)), shuffled(builder, vector, range(half, 2 * half))


def joined(builder: Any, low: Any, high: Any) -> Any:
    """The lanes of `low` and then those of `high`."""
    return shuffled(builder, low, range(2 * low.type.count), high)


def shuffled(builder: Any, vector: Any, order: Iterable[int], other: Any = None) -> Any:
    """The lanes of `vector`, and then those of `other`, in the order of their numbers."""
    numbers = list(order)
    other = ir.Constant(vector.type, ir.Undefined) if other is None else other
    return builder.shuffle_vector(vector, other, ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers))
