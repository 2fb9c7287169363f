"""Which weights of a tensor an encoding lists, and how a file says where they stand: one file a way, found by name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from workbench.shelf import Shelf

if TYPE_CHECKING:
    from workbench.kernels.sparse.stream import Listed
    from workbench.weights.arrays import Planned, Positions
    from workbench.weights.blank import Blank
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading
    from workbench.weights.stored import Stored


class Columns(Protocol):
    """A matrix [out, in] that multiplies column vectors."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""

    def multiply(
        self, x: NDArray[np.float32], bias: NDArray[np.float32] | None = None, threads: int = 1
    ) -> NDArray[np.float32]:
        """float32 [in, columns] to [out, columns]."""


@dataclass(frozen=True)
class Placing:
    """One way to place a part's weights, known before it is done.

    fields: the JSON facts. arrays: name, part and bytes of each array. entries: how many weights are listed. zeros:
    whether some of these are zero. every: whether all weights are listed, in storage order.
    """

    fields: dict[str, Any]
    arrays: Planned
    entries: int
    zeros: bool
    every: bool = False


class Places(ABC):
    """Subclasses are frozen dataclasses, one a file in `workbench/weights/places`."""

    name: ClassVar[str]

    @property
    def pattern(self) -> str:
        """What people call the pattern that the zeros keep to; "" where they keep to none."""
        return ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    @classmethod
    @abstractmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        """The ways to place the part's weights, of which the one is taken that makes the fewest bytes; the simplest
        first. None where the part cannot be placed so. One that takes `below` bytes or more with its values may be left
        out: places that take long to find ask first how many weights they may list (`Part.listed_within`)."""

    @classmethod
    def outlined(cls, part: Blank) -> Iterable[Placing]:
        """The same of a part that is known by its counts alone; none where what the places take follows from values."""
        return ()

    @classmethod
    @abstractmethod
    def of(cls, part: Part, placing: Placing) -> Self:
        """The part's weights placed like that."""

    @abstractmethod
    def positions(self, shape: tuple[int, ...]) -> Positions | None:
        """Where the entries stand in the flattened tensor, ascending; None where all weights are listed."""

    @abstractmethod
    def arrays(self) -> tuple[Stored, ...]: ...

    @abstractmethod
    def fields(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Self:
        """Raises FormatError for what could not have been written."""

    def check(self, listed: NDArray[np.float32]) -> None:
        """Raises FormatError where these values, one an entry, could not stand at such places."""
        return

    @abstractmethod
    def stream(self) -> tuple[NDArray[np.uint8], int]:
        """The places as `kernels.sparse.stream` takes them: bytes, and the width that says how to read them."""

    def matrix(self, listed: Listed) -> Columns | None:
        """The matrix of these `listed` values, for a kernel that knows such places; None where there is none."""
        return None


PLACES: Shelf[Places] = Shelf("workbench.weights.places", Places)  # type: ignore[type-abstract]
