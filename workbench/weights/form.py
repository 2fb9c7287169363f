"""The form of a layer's weights: what one step of a recipe hands to the next.

A form is a chain of factors (rank), each with its zeros (sparsity) and its levels (bits). Methods make forms, encodings
store them, and neither knows the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.threads.blas import one_thread
from workbench.weights.arrays import Floats
from workbench.weights.levels import Levels
from workbench.weights.part import Part

T = TypeVar("T")
_OBJECTS = 2**14  # bytes that a form, its parts, its plan and its costs take at most beside their arrays


@dataclass(frozen=True)
class Passage:
    """How a factor passes over images.

    rows, columns: whether it takes over the layer's stride, padding and dilation along that axis; along another one it
    steps from pixel to pixel. groups: of its channels, the factor's own; where it is the whole layer, the layer's.
    """

    rows: bool = True
    columns: bool = True
    groups: int = 1


WHOLE = Passage()
POINT = Passage(rows=False, columns=False)


@dataclass(frozen=True, eq=False)
class Factor:
    """One tensor of a chain: a matrix [out, in], or a kernel [out, in / groups, kh, kw] that passes over images."""

    part: Part
    passage: Passage = WHOLE


@dataclass(frozen=True, eq=False)
class Form:
    """Factors in the order in which the input meets them; the layer's weight is their product.

    One factor is the plain layer. Two are an SVD: in its channel form [r, in, kh, kw], which passes as the layer does,
    then [out, r, 1, 1]; in its spatial form [r, in, kh, 1] along the rows, then [out, r, 1, kw] along the columns.
    Three are a Tucker-2 decomposition, four a CP decomposition whose middle factors have one group a channel.

    entering: the levels that the layer's input is rounded to, None for float32. coders: names of those through which
    codes and places of its weights may be stored, where that takes fewer bytes.
    """

    factors: tuple[Factor, ...]
    entering: Levels | None = None
    coders: tuple[str, ...] = ()
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for this form; it must follow from the form and `key` alone."""
        if key not in self._known:
            self._known[key] = compute()
        return cast(T, self._known[key])

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Form:
        """The form of an uncompressed weight tensor."""
        return cls.whole(Part.of(values))

    @classmethod
    def whole(cls, part: Part) -> Form:
        """One tensor, which is the layer's weight."""
        return cls((Factor(part),))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The tensors of the factors."""
        return tuple([factor.part for factor in self.factors])

    @property
    def passages(self) -> tuple[Passage, ...]:
        """How the factors pass over images."""
        return tuple([factor.passage for factor in self.factors])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that its parts alone hold, and of the objects that go with it."""
        return sum([part.nbytes for part in self.parts]) + _OBJECTS

    def with_parts(self, parts: Sequence[Part]) -> Form:
        """The same chain with other tensors of the same shapes."""
        pairs = zip(self.factors, parts, strict=True)
        return Form(tuple([replace(factor, part=part) for factor, part in pairs]), self.entering, self.coders)

    def with_values(self, values: Sequence[NDArray[np.floating]]) -> Form:
        """The same chain with other full-precision values."""
        return self.with_parts([Part.of(tensor) for tensor in values])

    def with_entering(self, levels: Levels | None) -> Form:
        """The same weights behind an input that is rounded to other levels."""
        return self if levels is self.entering else Form(self.factors, levels, self.coders)

    def with_coders(self, coders: tuple[str, ...]) -> Form:
        """The same weights, which may be stored through these coders."""
        return self if coders == self.coders else Form(self.factors, self.entering, coders)

    def following(self, before: Form) -> Form:
        """The same weights, with what a step that made new ones out of `before` left as it was."""
        return self.with_entering(self.entering or before.entering).with_coders(self.coders or before.coders)

    @property
    def known(self) -> bool:
        """Whether the weights' values are known, or their shapes alone."""
        return all(part.known for part in self.parts)

    @property
    def entering_bits(self) -> int:
        """Width of one number of the layer's input."""
        return 32 if self.entering is None else self.entering.bits

    @property
    def factored(self) -> bool:
        """Whether there is more than one factor."""
        return len(self.factors) > 1

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many channels each factor hands to the next one."""
        return tuple([part.shape[0] for part in self.parts[:-1]])

    @property
    def rank(self) -> int | None:
        """The fewest channels between two factors, or None where there is one factor only."""
        return min(self.ranks, default=None)

    @property
    def break_even(self) -> float | None:
        """The rank at which the factors hold as many weights as the one tensor would; mn/(m+n) for a matrix [m, n].

        The other ranks of the chain are taken to grow with it.
        """
        if self.rank is None or self.rank == 0:
            return None
        linear = quadratic = 0  # weights that grow with the ranks, and with their squares
        for factor in self.factors:
            inner = (factor is not self.factors[0]) + (factor is not self.factors[-1])
            if inner == 2 and factor.passage.groups == 1:
                quadratic += factor.part.size
            else:
                linear += factor.part.size
        if not quadratic:
            return self.rank * self.weights / linear
        root = math.sqrt(linear**2 + 4 * quadratic * self.weights)
        return self.rank * (root - linear) / (2 * quadratic)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the one tensor that the form stands for."""
        first, last = self.parts[0].shape, self.parts[-1].shape
        kernel = [max(sides) for sides in zip(*(part.shape[2:] for part in self.parts), strict=True)]
        return last[0], first[1], *kernel

    @property
    def weights(self) -> int:
        """Number of weights in the one tensor that the form stands for."""
        return math.prod(self.shape)

    def compose(self) -> Floats:
        """The one weight tensor [out, in, ...] that the form stands for."""
        whole = self.parts[0].values
        for factor in self.factors[1:]:
            whole = _product(whole, factor.part.values, factor.passage.groups)
        return np.ascontiguousarray(whole)


@one_thread()
def _product(first: Floats, second: Floats, groups: int) -> Floats:
    """The one tensor that does what `first` and then `second` do, of which one at most is longer along each axis."""
    out, inputs = second.shape[0], first.shape[1]
    kernel = tuple(np.maximum(first.shape[2:], second.shape[2:]))
    if groups == 1 and math.prod(second.shape[2:]) == 1:
        return (second.reshape(out, -1) @ first.reshape(first.shape[0], -1)).reshape(out, inputs, *kernel)
    left = second.reshape(groups, out // groups, second.shape[1], *second.shape[2:])
    right = first.reshape(groups, second.shape[1], *first.shape[1:])
    product = np.einsum("gorcd,griab->goicadb", left, right)
    return cast(Floats, product.reshape(out, inputs, *kernel))
