"""A search for masks by a particle filter, and what it searches among: sets that go, strides and offsets that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Particle = tuple[int, ...]
_MOVED = 0.05  # share of a particle that changes from round to round, beside the one number that always does
_TRIES = 10  # to find a particle that has not been met


class Space(Protocol):
    """Masks of one size."""

    def drawn(self, random: np.random.Generator) -> Particle:
        """One of them."""
        ...

    def moved(self, particle: Particle, random: np.random.Generator) -> Particle:
        """One that is nearly `particle`."""
        ...


@dataclass(frozen=True)
class Subsets:
    """`count` of `size` things go. A particle: their numbers, ascending."""

    size: int
    count: int

    def stays(self, particle: Particle) -> NDArray[np.bool_]:
        """[size]"""
        found = np.ones(self.size, bool)
        found[list(particle)] = False
        return found

    def drawn(self, random: np.random.Generator) -> Particle:
        return _ascending(random.permutation(self.size)[: self.count])

    def moved(self, particle: Particle, random: np.random.Generator) -> Particle:
        stay = np.flatnonzero(self.stays(particle))
        number = min(1 + random.binomial(self.count, _MOVED), self.count, stay.size)
        going, coming = random.permutation(self.count)[:number], random.permutation(stay)[:number]
        return _ascending([*np.delete(particle, going), *coming])


@dataclass(frozen=True)
class Strides:
    """Of a layer's kernels, entries offset, offset + stride, ... stay, both the same for all that read one source map.

    entries: of a kernel. left: how many entries stay at most, of all source maps together; one of each at least. A
    particle: for each source map a place in `patterns`.
    """

    maps: int
    entries: int
    left: int

    @cached_property
    def patterns(self) -> list[slice]:
        """The entries that stay, from every entry to a single one."""
        strides = range(1, self.entries + 1)
        return [slice(offset, None, stride) for stride in strides for offset in range(stride)]

    @cached_property
    def _stay(self) -> NDArray[np.int64]:
        """[patterns]: how many entries."""
        return np.array([len(range(self.entries)[one]) for one in self.patterns])

    def stays(self, particle: Particle) -> NDArray[np.bool_]:
        """[maps, entries]"""
        found = np.zeros((self.maps, self.entries), bool)
        for row, place in zip(found, particle, strict=True):
            row[self.patterns[place]] = True
        return found

    def drawn(self, random: np.random.Generator) -> Particle:
        return self._redrawn(np.zeros(self.maps, np.int64), np.arange(self.maps), random)

    def moved(self, particle: Particle, random: np.random.Generator) -> Particle:
        number = min(2 + random.binomial(self.maps, _MOVED), self.maps)
        return self._redrawn(np.array(particle), random.permutation(self.maps)[:number], random)

    def _redrawn(self, particle: NDArray[np.int64], maps: NDArray[np.int64], random: np.random.Generator) -> Particle:
        """With other patterns for some of the maps; what they do not use of `left` goes to the first that can."""
        free = self.left - self._stay[np.delete(particle, maps)].sum()
        for after, one in zip(range(len(maps) - 1, -1, -1), maps, strict=True):
            particle[one] = random.choice(np.flatnonzero(self._stay <= free - after))
            free -= self._stay[particle[one]]
        for one in random.permutation(maps):
            now = self._stay[particle[one]]
            densest = self._stay[self._stay <= now + free].max()
            if densest > now:
                particle[one] = random.choice(np.flatnonzero(self._stay == densest))
                free -= densest - now
        return tuple(particle.tolist())


def searched(
    space: Space,
    wrong: Callable[[Particle], float],
    particles: int,
    rounds: Iterable[int],
    random: np.random.Generator,
) -> Particle:
    """The particle of fewest wrong answers, the first of equals, among those met in so many rounds, at least one.

    In each round particles are resampled in proportion to exp(−wrong), the likelihood of what they answer (sequential
    importance resampling, systematic as in Kitagawa 1996), and moved a little, mostly to where none has been.
    """
    known: dict[Particle, float] = {}

    def fresh(make: Callable[[], Particle]) -> Particle:
        particle = make()
        for _ in range(_TRIES):
            if particle not in known:
                break
            particle = make()
        if particle not in known:
            known[particle] = wrong(particle)
        return particle

    cloud: list[Particle] = []
    for _ in rounds:
        if cloud:
            chosen = [cloud[place] for place in resampled([known[one] for one in cloud], random)]
            cloud = [fresh(partial(space.moved, one, random)) for one in chosen]
        else:
            cloud = [fresh(partial(space.drawn, random)) for _ in range(particles)]
    return min(known, key=known.__getitem__)


def resampled(wrong: Sequence[float], random: np.random.Generator) -> NDArray[np.int64]:
    """As many places in `wrong` as it has, each about as often as its share of Σ exp(−wrong) says."""
    likelihood = np.exp(np.min(wrong) - np.array(wrong))
    reached = np.cumsum(likelihood / likelihood.sum())
    return np.searchsorted(reached, (random.random() + np.arange(len(wrong))) / len(wrong)).clip(max=len(wrong) - 1)


def _ascending(numbers: Iterable[int]) -> Particle:
    return tuple(sorted(int(number) for number in numbers))
