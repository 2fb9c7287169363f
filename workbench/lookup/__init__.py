"""Tables that find stored vectors like a query without comparing it with all of them: one file a kind.

A vector is hashed; what shares a bucket, a word or a window with it is a candidate. What that takes is counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.shelf import Shelf

Vectors = NDArray[np.floating[Any]]
Numbers = NDArray[np.int64]
Codes = NDArray[Any]


@dataclass(frozen=True)
class Found:
    """numbers[offsets[q] : offsets[q + 1]]: the items that query q meets, each once for every table in which it does.

    offsets: [queries + 1]. comparisons: made to find them, with one for each that was found.
    """

    offsets: Numbers
    numbers: Numbers
    comparisons: int

    @property
    def queries(self) -> int:
        return len(self.offsets) - 1

    def hits(self, items: int) -> NDArray[np.int64]:
        """In how many tables each query meets each of the items numbered 0 to `items` − 1, [queries, items]."""
        asking = np.repeat(np.arange(self.queries), np.diff(self.offsets))
        return np.bincount(asking * items + self.numbers, minlength=self.queries * items).reshape(self.queries, items)

    def candidates(self, query: int) -> frozenset[int]:
        """The numbers of all items that a query meets in any table."""
        return frozenset(self.numbers[self.offsets[query] : self.offsets[query + 1]].tolist())


@dataclass
class Work:
    """What a lookup has done so far, inserts and queries together."""

    multiplications: int = 0
    comparisons: int = 0


class Lookup(ABC):
    """Subclasses stand one a file in `workbench/lookup` and are made of (inputs, bits, tables, seed, sparse).

    inputs: length of a vector. bits: of a hash: the more, the fewer items a bucket has. tables: each with hashes of its
    own; an item is found if one of them has it. sparse: whether its projections are (`_projections`). measure: what
    candidates are near in.
    """

    kind: ClassVar[str]
    measure: ClassVar[Literal["angle", "distance"]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = cls.__module__.rpartition(".")[2].replace("_", "-")

    def __init__(self, inputs: int, bits: int, tables: int, seed: int, sparse: bool = False) -> None:
        self.inputs, self.bits, self.tables, self.seed = inputs, bits, tables, seed
        self.work = Work()

    @property
    @abstractmethod
    def multiplications(self) -> int:
        """That hashing one vector takes, stored or asked for."""

    def fit(self, vectors: Vectors) -> None:  # noqa: B027 (most kinds need nothing)
        """Learn what is to be known of all vectors, if anything is, before any of them is stored."""

    @abstractmethod
    def hashed(self, vectors: Vectors) -> Codes:
        """What is stored of vectors [n, inputs], along the first axis. Changes nothing, so threads may call it."""

    def asked(self, queries: Vectors) -> Codes:
        """What is looked up of queries [n, inputs]."""
        return self.hashed(queries)

    @abstractmethod
    def add(self, numbers: Numbers, codes: Codes) -> None:
        """Store items by number, [n]; `codes` as `hashed` gives them."""

    @abstractmethod
    def answer(self, codes: Codes) -> Found:
        """`codes` as `asked` gives them. Changes nothing."""

    def insert(self, numbers: Numbers, vectors: Vectors) -> None:
        """Store vectors [n, inputs] under numbers [n], and count the work."""
        self.add(numbers, self.hashed(vectors))
        self.work.multiplications += len(vectors) * self.multiplications

    def query(self, queries: Vectors) -> Found:
        """The candidates for queries [n, inputs], and count the work."""
        found = self.answer(self.asked(queries))
        self.work.multiplications += len(queries) * self.multiplications
        self.work.comparisons += found.comparisons
        return found


LOOKUPS: Shelf[Lookup] = Shelf("workbench.lookup", Lookup)  # type: ignore[type-abstract]
