"""Entropy coders: symbols to bytes and back without loss, one file a coder, found by its name ("huffman").

Symbols are codes of weights, gaps between survivors or bytes of either: whole numbers below a known alphabet size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.shelf import Shelf
from workbench.weights.stored import Stored

MOST_SYMBOLS = 2**16  # of an alphabet

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]
Symbols = NDArray[Any]  # uint8 for an alphabet of up to 256 symbols, else uint16
Sizes = tuple[tuple[str, str, int], ...]


class Coder(ABC):
    """Subclasses are frozen dataclasses, one a file in `workbench/weights/coders`."""

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ("coding-table", "codes")  # of the arrays, in their order
    matrix: ClassVar[bool] = False  # whether it takes the codes of a whole matrix and nothing else

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = cls.__module__.rpartition(".")[2].replace("_", "-")

    @abstractmethod
    def sizes(self, counts: Counts) -> Sizes | None:
        """Name, part and exact bytes of each array of `encode`, in their order, or None where only encoding tells.

        counts: int64 [alphabet], how often each symbol occurs.
        """

    @abstractmethod
    def least(self, counts: Counts) -> int:
        """Bytes that it takes at least, found at once: whether encoding is worth the while."""

    @abstractmethod
    def encode(self, symbols: Symbols, alphabet: int, columns: int = 0) -> tuple[Stored, ...]:
        """`symbols` [count], below `alphabet`, as bytes. Raises ValueError for a symbol outside of it.

        columns: length of a row where they are a matrix's; 0 where they are none.
        """

    @abstractmethod
    def decode(self, arrays: Mapping[str, Bytes], count: int, alphabet: int, columns: int = 0) -> Symbols:
        """The `count` symbols again. Raises FormatError for arrays that `encode` could not have written.

        Bytes that another run of symbols would have taken decode to that one: it is a file's digest that tells.
        """


def counted(symbols: Symbols, alphabet: int) -> Counts:
    """How often each symbol below `alphabet` occurs. Raises ValueError for one outside of it."""
    if not 1 <= alphabet <= MOST_SYMBOLS:
        raise ValueError(f"An alphabet has 1 to {MOST_SYMBOLS} symbols, not {alphabet}.")
    counts = np.bincount(symbols.reshape(-1), minlength=alphabet)
    if counts.size > alphabet:
        raise ValueError(f"Symbol {counts.size - 1} is outside of an alphabet of {alphabet}.")
    return counts.astype(np.int64)


def symbol_type(alphabet: int) -> type[np.uint8] | type[np.uint16]:
    """Type of the symbols of an alphabet of that size."""
    return np.uint8 if alphabet <= 256 else np.uint16


def taken(arrays: Mapping[str, Bytes], name: str) -> Bytes:
    """Array `name`, one-dimensional. Raises FormatError where it is missing."""
    if name not in arrays:
        raise FormatError(f"array {name!r} is missing")
    return arrays[name].reshape(-1)


CODERS: Shelf[Coder] = Shelf("workbench.weights.coders", Coder)  # type: ignore[type-abstract]
