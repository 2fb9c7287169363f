"""What every encoding is: one way of storing one layer's weights, exact to the byte."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from workbench.form import Floats, Form


@dataclass(frozen=True, eq=False)
class Stored:
    """One run of bytes in the packed file.

    name: unique within its layer. part: what the report counts it under: "codes", "indices", "codebooks" or "scales".
    """

    name: str
    part: str
    data: NDArray[np.uint8]


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
    """How one layer's weights are stored. Subclasses are frozen dataclasses, one a file in `workbench/encodings`.

    Everything it stores is lossless: `restore(...).decode()` gives the form's values bit for bit.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def nbytes(cls, form: Form) -> dict[str, int] | None:
        """Exact bytes by part without encoding, or None where this encoding cannot hold the form without loss."""

    @classmethod
    @abstractmethod
    def encode(cls, form: Form) -> Self:
        """The stored form. Raises RecipeError where `nbytes` is None."""

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
