"""A lookup that is fed by a stream: what comes in and what is asked is hashed and looked up by several workers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, Literal, TypeVar

import numpy as np

from workbench.lookup import LOOKUPS, Codes, Found, Lookup, Numbers, Vectors

CATALOGUE = {"HA-07": "inserts and queries over workers"}

T = TypeVar("T")


class Streaming(Lookup):
    """Another lookup whose batches are shared out to threads.

    What is new is merged as a whole at the end of a batch, so that answers are those of one worker.

    Sundaram et al., Streaming similarity search over one billion tweets using parallel locality-sensitive hashing,
    PVLDB 6(14), 2013, sections 4 to 6. NumPy leaves the interpreter to the others while it multiplies and sorts, not
    while it gathers.
    """

    measure: ClassVar[Literal["angle", "distance"]] = "angle"  # unless it is one of another

    def __init__(
        self,
        inputs: int,
        bits: int,
        tables: int,
        seed: int,
        sparse: bool = False,
        workers: int = 2,
        of: Lookup | None = None,
    ) -> None:
        """of: the lookup that it feeds; one by signed projections by default."""
        super().__init__(inputs, bits, tables, seed)
        self._of = of or LOOKUPS["signed-projections"](inputs, bits, tables, seed, sparse)
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "lookup")

    @property
    def multiplications(self) -> int:
        return self._of.multiplications

    def fit(self, vectors: Vectors) -> None:
        self._of.fit(vectors)

    def hashed(self, vectors: Vectors) -> Codes:
        return _joined(self._begun(self._of.hashed, vectors), self._of.hashed(vectors[:0]))

    def asked(self, queries: Vectors) -> Codes:
        return _joined(self._begun(self._of.asked, queries), self._of.asked(queries[:0]))

    def add(self, numbers: Numbers, codes: Codes) -> None:
        self._of.add(numbers, codes)

    def answer(self, codes: Codes) -> Found:
        return _gathered([one.result() for one in self._begun(self._of.answer, codes)])

    def batch(self, numbers: Numbers, vectors: Vectors, queries: Vectors) -> Found:
        """Answers from what was there before this batch, whose own items [n, inputs] are there after it."""
        hashing = self._begun(self._of.hashed, vectors)
        asking = self._begun(lambda some: self._of.answer(self._of.asked(some)), queries)
        found = _gathered([one.result() for one in asking])
        self._of.add(numbers, _joined(hashing, self._of.hashed(vectors[:0])))
        self.work.multiplications += (len(vectors) + len(queries)) * self.multiplications
        self.work.comparisons += found.comparisons
        return found

    def _begun(self, work: Callable[[Codes], T], of: Codes) -> list[Future[T]]:
        return [self._pool.submit(work, some) for some in np.array_split(of, self._workers) if len(some)]


def _joined(codes: list[Future[Codes]], none: Codes) -> Codes:
    return np.concatenate([one.result() for one in codes]) if codes else none


def _gathered(answers: list[Found]) -> Found:
    """Of all queries, in their order."""
    counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(answer.offsets) for answer in answers)])
    numbers = np.concatenate([np.zeros(0, np.int64), *(answer.numbers for answer in answers)])
    return Found(np.cumsum(counts), numbers, sum(answer.comparisons for answer in answers))
