"""What intrinsics that are whole blocks of vectors are written with, at compile time: their arguments by name.

A kernel of a hundred statements takes seconds to compile, as one intrinsic a fraction of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from workbench.kernels.vector.codegen import Vector, address_of, call, in_every_lane, suffix


class Writing:
    """Writes code for vectors of `lanes` float32. names: of the intrinsic's arguments, `args` of the types in `sig`."""

    def __init__(self, context: Any, builder: Any, names: Sequence[str], sig: Any, args: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.kind = Vector(types.float32, lanes)
        self.vector = context.get_value_type(self.kind)
        self._of = dict(zip(names, zip(args, sig.args, strict=True), strict=True))

    def value(self, name: str) -> Any:
        """An argument as it came."""
        return self._of[name][0]

    def number(self, name: str) -> Any:
        """An integer argument as 64 bits."""
        value, kind = self._of[name]
        return self.context.cast(self.builder, value, kind, types.intp)

    def size(self, name: str) -> Any:
        """How many elements an array has."""
        array, kind = self._of[name]
        return self.context.make_array(kind)(self.context, self.builder, array).nitems

    def plus(self, number: Any, more: int) -> Any:
        return self.builder.add(number, ir.Constant(number.type, more)) if more else number

    def address(self, name: str, place: Any) -> Any:
        """Pointer to the element at `place` of an array."""
        array, kind = self._of[name]
        return address_of(self.context, self.builder, kind, array, place)

    def addresses(self, name: str, place: Any) -> Any:
        """Pointer to the vector that begins there."""
        return self.builder.bitcast(self.address(name, place), self.vector.as_pointer())

    def item(self, name: str, place: Any) -> Any:
        """An element, as 64 bits where it is an integer."""
        found, kind = self.builder.load(self.address(name, place)), self._of[name][1].dtype
        return self.context.cast(self.builder, found, kind, types.intp) if isinstance(kind, types.Integer) else found

    def load(self, name: str, place: Any) -> Any:
        """The vector that begins at `place` of an array of float32."""
        return self.builder.load(self.addresses(name, place), align=4)

    def store(self, name: str, place: Any, vector: Any) -> None:
        self.builder.store(vector, self.addresses(name, place)).align = 4

    def everywhere(self, scalar: Any) -> Any:
        """A scalar in every lane."""
        return in_every_lane(self.builder, scalar, self.lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a · b + c, rounded once where the processor can."""
        return call(self.context, self.builder, f"llvm.fmuladd.{suffix(self.kind)}", self.kind, [a, b, c])

    def where(self, condition: Any, value: Callable[[], Any], other: Any) -> Any:
        """What `value` writes where the condition holds, else `other`."""
        before = self.builder.block
        with self.builder.if_then(condition):
            found = value()
            inside = self.builder.block
        chosen = self.builder.phi(found.type)
        chosen.add_incoming(found, inside)
        chosen.add_incoming(other, before)
        return chosen

    def repeated(self, count: Any, begun: Iterable[Any], body: Callable[[Any, list[Any]], Iterable[Any]]) -> list[Any]:
        """What the values `begun` have become after `count` rounds of body(round, values), which returns the next."""
        builder, begun = self.builder, list(begun)
        before, none = builder.block, ir.Constant(count.type, 0)
        loop, over = (builder.append_basic_block(name) for name in ("loop", "over"))
        builder.cbranch(builder.icmp_signed(">", count, none), loop, over)

        builder.position_at_end(loop)
        number, *values = (builder.phi(one.type) for one in (count, *begun))
        after = list(body(number, values))
        following = self.plus(number, 1)
        inside = builder.block
        builder.cbranch(builder.icmp_signed("<", following, count), loop, over)
        for phi, start, end in zip((number, *values), (none, *begun), (following, *after), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, inside)

        builder.position_at_end(over)
        found = [builder.phi(one.type) for one in begun]
        for phi, start, end in zip(found, begun, after, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, inside)
        return found
