"""What every encoding is: one way of storing one layer's weights, exact to the byte."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.weights.arrays import Floats
from workbench.weights.form import Form
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.levels import Levels
    from workbench.weights.tensor import TensorEncoding


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
    """One layer's weights as they are stored: lossless, `restore(...).decode()` gives the form's values bit for bit.

    name: of the scheme that it was stored by, under which a file and a recipe know it.
    """

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def tensors(self) -> tuple[TensorEncoding, ...]:
        """Of each factor, which weights are listed, as what, before a coder stores that in other bits."""

    def planned(self) -> Plan:
        """The plan that it keeps, of one that was read from a file."""
        arrays = tuple((array.name, array.part, array.data.size) for array in self.arrays())
        return Plan(self.fields(), arrays, tuple(part.levels is not None for part in self.decode().parts))

    @abstractmethod
    def decode(self) -> Form:
        """The form again: values bit for bit, and the levels and codes a kernel or a cost needs."""

    @abstractmethod
    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        """What multiplies with each tensor of the form, in the order in which the input meets them.

        uses: how each of them is used, None for a matrix. A kernel is None where nothing is gained over torch's own
        product of float32 values, which is then left to do it.
        """

    def rounding_kernel(self, entering: Levels, use: Convolution | None) -> Kernel | None:
        """What rounds an input to `entering` and multiplies it with the one tensor of the form, all in one.

        None where no kernel does: what enters is then rounded first, and multiplied by one of `kernels`.
        """
        return None

    @abstractmethod
    def arrays(self) -> tuple[Stored, ...]:
        """The bytes, in file order."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """The few JSON facts (shape, bits, grouping ...) that `restore` needs beside the bytes.

        They hold the whole weight's `shape`, so that a file's shapes can be compared with the network's before anything
        is unpacked.
        """


class Scheme(ABC):
    """One way to store a layer's weights, by its name."""

    name: str

    @abstractmethod
    def plan(self, form: Form) -> Plan | None:
        """What `encode` would store, or None where this scheme cannot hold the form without loss."""

    def nbytes(self, form: Form) -> dict[str, int] | None:
        """Exact bytes by part without encoding, or None where this scheme cannot hold the form without loss."""
        plan = self.plan(form)
        return None if plan is None else plan.by_part()

    @abstractmethod
    def encode(self, form: Form) -> Encoding:
        """The stored form. Raises RecipeError where `plan` is None."""

    @abstractmethod
    def restore(self, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Encoding:
        """Rebuild from a file. Raises FormatError for anything that `fields` and `arrays` could not have written."""
