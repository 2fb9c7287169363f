"""What every encoding is: one way of storing one layer's weights, exact to the byte."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from workbench.shelf import Shelf
from workbench.weights.form import Form
from workbench.weights.levels import Floats


@dataclass(frozen=True, eq=False)
class Stored:
    """One run of bytes in the packed file.

    name: unique within its layer. part: what the report counts it under: "codes", "indices", "codebooks" or "scales".
    """

    name: str
    part: str
    data: NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """What an encoding stores of a form, known before it is encoded.

    fields: as `Encoding.fields` gives them. arrays: name, part and bytes of each array, in file order. keeps_levels:
    for each tensor of the form, whether weights that lie on levels are stored as codes, not as float32.
    """

    fields: dict[str, Any]
    arrays: tuple[tuple[str, str, int], ...]
    keeps_levels: tuple[bool, ...]

    @cached_property
    def nbytes(self) -> int:
        return sum([size for _, _, size in self.arrays])

    def by_part(self) -> dict[str, int]:
        """Bytes by what the report counts them under."""
        total: dict[str, int] = {}
        for _, part, size in self.arrays:
            total[part] = total.get(part, 0) + size
        return total


@dataclass(frozen=True)
class Convolution:
    """How a weight [out, in / groups, kh, kw] passes over images. Pairs are (vertical, horizontal)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class Kernel(Protocol):
    """Multiplies with one packed tensor; the whole tensor is never in memory as float32."""

    @property
    def nbytes(self) -> int:
        """Bytes that the packed tensor takes in memory."""

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]; of a convolution [images, in, h, w] to [images, out, h', w']."""


class Encoding(ABC):
    """How one layer's weights are stored. Subclasses are frozen dataclasses, one a file in the folder `encodings`.

    Everything it stores is lossless: `restore(...).decode()` gives the form's values bit for bit.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def plan(cls, form: Form) -> Plan | None:
        """What `encode` would store, or None where this encoding cannot hold the form without loss."""

    @classmethod
    def least(cls, form: Form) -> int:
        """Bytes that it takes at least, found at once: whether `plan` is worth the while."""
        return 0

    @classmethod
    def nbytes(cls, form: Form) -> dict[str, int] | None:
        """Exact bytes by part without encoding, or None where this encoding cannot hold the form without loss."""
        plan = cls.plan(form)
        return None if plan is None else plan.by_part()

    @classmethod
    @abstractmethod
    def encode(cls, form: Form) -> Self:
        """The stored form. Raises RecipeError where `plan` is None."""

    def planned(self) -> Plan:
        """The plan that it keeps, of one that was read from a file."""
        arrays = tuple((one.name, one.part, one.data.size) for one in self.arrays())
        return Plan(self.fields(), arrays, tuple(part.levels is not None for part in self.decode().parts))

    @abstractmethod
    def decode(self) -> Form:
        """The form again: values bit for bit, and the levels and codes a kernel or a cost needs."""

    @abstractmethod
    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        """What multiplies with each tensor of the form, in the order in which the input meets them.

        uses: how each of them is used, None for a matrix. A kernel is None where the tensor is stored as plain float32
        values: nothing is gained over torch's own product, which is then left to do it.
        """

    @abstractmethod
    def arrays(self) -> tuple[Stored, ...]:
        """The bytes, in file order."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """The few JSON facts (shape, bits, grouping ...) that `restore` needs beside the bytes."""

    @classmethod
    @abstractmethod
    def restore(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Self:
        """Rebuild from a file. Raises FormatError for anything that `fields` and `arrays` could not have written."""


ENCODINGS: Shelf[Encoding] = Shelf("workbench.weights.encodings", Encoding)  # type: ignore[type-abstract]
