"""The form of a layer's weights: what one step of a recipe hands to the next.

A form is always the same three things: one tensor or a product of tensors (rank), each with its zeros (sparsity),
each with its levels (bits). Methods make forms, encodings store them, and neither knows the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.weights.levels import Floats
from workbench.weights.part import Part

T = TypeVar("T")
_OBJECTS = 2**14  # bytes that a form, its parts, its plan and its costs take at most beside their arrays

Product = Literal["channel", "spatial"]


@dataclass(frozen=True, eq=False)
class Form:
    """One part, or the two factors of a product, in the order in which the input meets them.

    `channel` product: linear [r, in] then [out, r]; convolution [r, in, kh, kw] (with the layer's stride, padding and
    dilation) then 1×1 [out, r, 1, 1]. `spatial` product: vertical [r, in, kh, 1] then horizontal [out, r, 1, kw].
    """

    parts: tuple[Part, ...]
    product: Product | None = None
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for this form; it must follow from the form and `key` alone."""
        if key not in self._known:
            self._known[key] = compute()
        return cast(T, self._known[key])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that its parts alone hold, and of the objects that go with it."""
        return sum([part.nbytes for part in self.parts]) + _OBJECTS

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Form:
        """The form of an uncompressed weight tensor."""
        return cls((Part.of(values),))

    def with_values(self, values: Sequence[NDArray[np.floating]]) -> Form:
        """The same chain with other full-precision values for its parts."""
        return replace(self, parts=tuple(Part.of(tensor) for tensor in values))

    @property
    def rank(self) -> int | None:
        """Inner dimension of the product, or None where there is one tensor only."""
        return None if self.product is None else self.parts[0].shape[0]

    @property
    def break_even(self) -> float | None:
        """Rank at which the factors hold as many weights as the one tensor would; mn/(m+n) for a matrix [m, n]."""
        if self.product is None:
            return None
        sizes = [part.size / part.shape[axis] for axis, part in enumerate(self.parts)]
        return self.weights / sum(sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the one tensor that the form stands for."""
        first, second = self.parts[0].shape, self.parts[-1].shape
        if self.product is None:
            return first
        return (second[0], *first[1:]) if self.product == "channel" else (second[0], first[1], first[2], second[3])

    @property
    def weights(self) -> int:
        """Number of weights in the one tensor that the form stands for."""
        return math.prod(self.shape)

    def compose(self) -> Floats:
        """The one weight tensor [out, in, ...] that the form stands for."""
        if self.product is None:
            return self.parts[0].values
        first, second = self.parts[0].values, self.parts[1].values
        if self.product == "channel":
            flat = second.reshape(second.shape[0], -1) @ first.reshape(first.shape[0], -1)
            return np.ascontiguousarray(flat.reshape(second.shape[0], *first.shape[1:]))
        return np.ascontiguousarray(np.einsum("nrx,rcy->ncyx", second[:, :, 0, :], first[:, :, :, 0]))
