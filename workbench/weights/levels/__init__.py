"""The levels that quantised weights lie on: one file a kind, found by its name ("affine", "powers-of-two").

A kind says how weights are rounded to its levels, what a code stands for, and what a file holds of it beside the codes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from workbench.shelf import Shelf
from workbench.weights.arrays import Codes, Floats, Indices, Zeros

if TYPE_CHECKING:
    from workbench.kernels.lowbit.weights import LowBit
    from workbench.kernels.sparse.stream import Listed
    from workbench.weights.encoding import Convolution, Kernel
    from workbench.weights.reading import Reading
    from workbench.weights.stored import Stored

DeadZones = tuple[Floats, Floats, int | None]


class Rounded(Protocol):
    """What levels may ask of a tensor that lies on them; its values are made when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def nonzeros(self) -> int: ...
    @property
    def values(self) -> Floats: ...
    @property
    def codes(self) -> Codes | None: ...


class Levels(ABC):
    """Subclasses are frozen dataclasses, one a file in `workbench/weights/levels`.

    bits: width of one code; of a weight in arithmetic.
    code_per_weight: whether each weight has a code of its own, read without its neighbours; codes then have the
    weight tensor's shape.
    """

    kind: ClassVar[str]
    code_per_weight: ClassVar[bool] = True
    bits: int

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = cls.__module__.rpartition(".")[2].replace("_", "-")

    @abstractmethod
    def nearest(self, weights: Floats, codes: Codes | None) -> Floats:
        """Each weight at its level; a weight that is zero stays +0.0. `codes` is filled if given."""

    # What becomes of a layer's input that is rounded to them.

    @property
    def pointwise(self) -> bool:
        """Whether a number's level follows from it alone, so that the input of a layer may be rounded to these."""
        return False

    @property
    def by_window(self) -> bool:
        """Whether a layer's sums are multiplied by the mean magnitude of the inputs that each of them sees."""
        return False

    def entered(self, inputs: Floats) -> Floats:
        """float32 [rows, columns], each number at its level."""
        return self.nearest(inputs, None)

    def passing(self, inputs: Floats) -> Zeros | None:
        """True for the numbers through which a gradient goes as if they had not been rounded; None for all."""
        return None

    def multiplied(
        self, weights: Levels, codes: Codes, shape: tuple[int, ...], use: Convolution | None
    ) -> Kernel | None:
        """A kernel that rounds an input to these levels and multiplies it with a tensor of `shape` on others.

        None where there is none for the two. It multiplies by the magnitudes of windows where `by_window` asks for it.
        codes: of every weight.
        """
        return None

    # What becomes of weights.

    @abstractmethod
    def decode(self, codes: Codes) -> Floats:
        """Values of `codes`, an array of `code_shape`."""

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the codes of a tensor of `shape`: its own, with a code for every weight."""
        return shape

    @property
    def code_type(self) -> type[np.uint8] | type[np.uint16]:
        return np.uint8 if self.stored_bits <= 8 else np.uint16

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum([array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray)])

    def within(self, shape: tuple[int, ...], rows: Indices, whole: bool) -> Levels | None:
        """The levels of the outputs `rows` of a tensor of `shape`, with the same codes; None where they have none.

        whole: whether these keep all their inputs.
        """
        return None

    def dead_zones(self, shape: tuple[int, ...]) -> DeadZones | None:
        """Smallest and largest weight of every group that is rounded to zero, and the length of a group's runs.

        None where that cannot be told: zeros are then counted in the values.
        """
        return None

    @property
    def shifts_per_weight(self) -> float | None:
        """Shifts, of a weight on average, in the place of its multiplication; None where it is one."""
        return None

    # What a file holds.

    @property
    def stored_bits(self) -> int:
        """Width of one stored code, 0 to 16."""
        return self.bits

    @property
    def highest_code(self) -> int:
        """The largest code that stands for a value."""
        return 2**self.stored_bits - 1

    @property
    def storable(self) -> bool:
        """Whether a file can say it."""
        return True

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """The few JSON facts that `restore` needs beside the tables."""

    def tables(self) -> tuple[Stored, ...]:
        """The arrays that a file holds beside the codes: scales, a codebook."""
        return ()

    @cached_property
    def table_bytes(self) -> int:
        """Bytes of `tables`."""
        return sum([table.data.size for table in self.tables()])

    @classmethod
    @abstractmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        """From the facts and tables of a tensor of `shape`. Raises FormatError for what could not have been written."""

    def with_zeros(self, part: Rounded) -> Levels | None:
        """Levels with the same codes that have one for each zero of `part`, too; None where there are none such."""
        return self

    def zero_codes(self, shape: tuple[int, ...]) -> Codes:
        """The code for zero, or nearest to it, laid out to broadcast against the tensor's codes."""
        return np.zeros(1, self.code_type)

    def without_added_zero(self, codes: Codes) -> tuple[Levels, Codes, Zeros | None]:
        """What `with_zeros` was made from, its codes, and which weights the added code stood for."""
        return self, codes, None

    # What kernels take.

    def grid(self, shape: tuple[int, ...]) -> tuple[Floats, Floats] | None:
        """Scale and zero point of each output, [out], where a code c stands for scale · (c − zero point).

        None for any other levels, and where an output has several of them.
        """
        return None

    def listed(self, codes: NDArray[np.uint8], shape: tuple[int, ...]) -> Listed | None:
        """The values of packed `codes` for the kernels of sparse products; None where they cannot take them."""
        return None

    def low_bit(self, codes: Codes, zeros: bool) -> LowBit | None:
        """The matrix of these codes [out, in] for the low-bit products; None where they cannot take it.

        zeros: whether weights that are not listed are to be exact zeros.
        """
        return None


LEVELS: Shelf[Levels] = Shelf("workbench.weights.levels", Levels)  # type: ignore[type-abstract]
