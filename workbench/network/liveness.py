"""Which activations are in memory while a network runs, and how many bytes they take at most.

A network is a list of operations in the order in which it runs them. Every operation makes its results anew, nothing is
fused; one that changes each number on its own works in the place of what nobody needs after it. What an operation makes
and nobody reads is its own workspace, and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush

INPUT = 0  # the activation that the network is given


@dataclass(frozen=True)
class Operation:
    """reads, writes: numbers of activations. after: numbers of operations that must be done before.

    pointwise: whether each number of the result follows from the number at its place. layer, call: whose call it is,
    "" outside the layers.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    after: tuple[int, ...] = ()
    pointwise: bool = False
    layer: str = ""
    call: int = 0


@dataclass(frozen=True)
class Moment:
    """While one operation runs. held: bytes beside what it reads and writes. read, written: bytes of these.

    spent: whether nobody needs what it reads after it. in_place: bytes of its results that take no memory of their own.
    """

    operation: Operation
    held: int
    read: int
    written: int
    spent: bool
    in_place: int

    @property
    def live(self) -> int:
        """Bytes of all activations in memory."""
        return self.held + self.read + self.written - self.in_place


Within = Callable[[Moment], int]  # bytes while the operation of a moment runs, where it is taken apart further


@dataclass(frozen=True)
class Activity:
    """operations: in order of execution. sizes: bytes of each activation. results: activations that are the answer."""

    operations: tuple[Operation, ...]
    sizes: tuple[int, ...]
    results: tuple[int, ...]

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """One an operation, in the order in which the network runs them."""
        return tuple(self._moment(number, frozenset(range(number))) for number in range(len(self.operations)))

    def peak(self, within: Within = lambda moment: moment.live) -> int:
        """The most bytes at any moment of the network's own order."""
        return max((within(moment) for moment in self.moments), default=0)

    def least_peak(self, patience: int = 200_000) -> int | None:
        """The lowest peak that any order of the operations has; None where it takes too many looks at one of them.

        The sets of operations that can be done are the places of a map, and the best way through it is the one whose
        highest point is lowest (Dijkstra 1959, with the maximum for the sum).
        """
        everything = frozenset(range(len(self.operations)))
        peak = self.peak()
        if peak <= max((self._alone(operation) for operation in self.operations), default=0):
            return peak  # some operation takes as much in any order
        waiting: list[tuple[int, int, list[int]]] = [(0, len(everything), [])]  # of equal peaks the one furthest on
        seen: set[frozenset[int]] = set()
        while waiting:
            peak, _, order = heappop(waiting)
            done = frozenset(order)
            if done == everything:
                return peak
            if done in seen:
                continue
            seen.add(done)
            if len(seen) * len(everything) > patience:
                return None
            for number in everything - done:
                if done.issuperset(self.operations[number].after):
                    reached = max(peak, self._moment(number, done).live)
                    heappush(waiting, (reached, len(everything) - len(order) - 1, [*order, number]))
        return None

    def _alone(self, operation: Operation) -> int:
        """Bytes that it takes at the very least."""
        read = sum(self.sizes[activation] for activation in operation.reads)
        written = sum(self.sizes[activation] for activation in operation.writes if activation in self._used)
        return max(read, written) if operation.pointwise else read + written

    def _moment(self, number: int, done: frozenset[int]) -> Moment:
        """While operation `number` runs and those in `done` have run."""
        operation = self.operations[number]
        wanted = self._wanted(done | {number})
        made = {INPUT, *(activation for other in done for activation in self.operations[other].writes)}
        read = {activation for activation in operation.reads if activation in made}
        written = {activation for activation in operation.writes if activation in self._used}
        held = (made & self._wanted(done)) - read - written
        spent = sum(self.sizes[activation] for activation in read - wanted)
        sizes = sum(self.sizes[activation] for activation in written)
        return Moment(
            operation,
            held=sum(self.sizes[activation] for activation in held),
            read=sum(self.sizes[activation] for activation in read),
            written=sizes,
            spent=not read & wanted,
            in_place=min(spent, sizes) if operation.pointwise else 0,
        )

    @cached_property
    def _used(self) -> frozenset[int]:
        return self._wanted(frozenset())

    def _wanted(self, done: frozenset[int]) -> frozenset[int]:
        """What is read by operations that are not in `done`, and the answer."""
        reads = (self.operations[number].reads for number in range(len(self.operations)) if number not in done)
        return frozenset({*self.results, *(activation for read in reads for activation in read)})


class Recorder:
    """Takes down the operations of one forward pass; activations are told apart by the memory that they lie in."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._sizes: list[int] = []
        self._operations: list[Operation] = []
        self._makers: dict[int, int] = {}  # activation -> the operation that wrote it last
        self._readers: dict[int, list[int]] = {}  # activation -> those that have read it since

    def begin(self, memory: int, size: int) -> None:
        """The network's input, of `size` bytes."""
        self._number(memory, size)

    def see(
        self,
        reads: Sequence[int],
        writes: Sequence[tuple[int, int]],
        changed: Sequence[int],
        pointwise: bool,
        layer: str,
        call: int,
    ) -> None:
        """One operation. reads, changed: memories of arguments. writes: memory and bytes of each result."""
        taken = tuple(dict.fromkeys(self._numbers[memory] for memory in reads if memory in self._numbers))
        fresh = tuple(self._number(memory, size) for memory, size in writes if memory not in self._numbers)
        altered = [self._numbers[memory] for memory in changed if memory in self._numbers]
        if not taken and not fresh and not altered:
            return
        number = len(self._operations)
        after = {self._makers[activation] for activation in taken if activation in self._makers}
        for activation in altered:
            after |= {*self._readers.get(activation, ())}
        for activation in taken:
            self._readers.setdefault(activation, []).append(number)
        for activation in (*fresh, *altered):
            self._makers[activation], self._readers[activation] = number, []
        after -= {number}
        self._operations.append(Operation(taken, fresh, tuple(sorted(after)), pointwise, layer, call))

    def activity(self, results: Sequence[int]) -> Activity:
        """What was seen, without operations that nothing follows from. results: memories of the answer."""
        answer = tuple(self._numbers[memory] for memory in results if memory in self._numbers)
        used = {*answer, *(activation for operation in self._operations for activation in operation.reads)}
        places: dict[int, int] = {}
        kept: list[Operation] = []
        for number, operation in enumerate(self._operations):
            if operation.reads or used.intersection(operation.writes):
                places[number] = len(kept)
                after = tuple(places[other] for other in operation.after if other in places)
                kept.append(replace(operation, after=after))
        return Activity(tuple(kept), tuple(self._sizes), answer)

    def _number(self, memory: int, size: int) -> int:
        if memory not in self._numbers:
            self._numbers[memory] = len(self._sizes)
            self._sizes.append(size)
        return self._numbers[memory]
