"""What numbers a tensor may hold while a network trains in low precision: fixed point, shared exponents, floats.

Numbers come as float64, which holds every one of them exactly, and products of two. `rounded` gives the nearest, halves
to even, or, by a generator, one of the two neighbours, the nearer the likelier, so that it is the number itself on
average (Gupta, Agrawal, Gopalakrishnan, Narayanan, ICML 2015, section 3.1). What lies beyond the ends becomes the end.
`holds` tells by other means whether all numbers of a tensor are such.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


class Grid(Protocol):
    """See the file's first lines."""

    def rounded(self, numbers: Tensor, random: torch.Generator | None = None) -> Tensor: ...

    def holds(self, numbers: Tensor) -> bool: ...


def whole(numbers: Tensor, random: torch.Generator | None) -> Tensor:
    """Each number at one of its whole neighbours: the nearer, halves to even, or drawn."""
    if random is None:
        return numbers.round()
    return (numbers + torch.rand(numbers.shape, generator=random, dtype=numbers.dtype)).floor()


@dataclass(frozen=True)
class Fixed:
    """⟨IL, FL⟩: multiples of ε = 2^−fraction from −2^(integer − 1) to 2^(integer − 1) − ε."""

    integer: int
    fraction: int

    @property
    def _ends(self) -> tuple[float, float]:
        half = 2.0 ** (self.integer + self.fraction - 1)
        return -half, half - 1

    def rounded(self, numbers: Tensor, random: torch.Generator | None = None) -> Tensor:
        return whole(numbers * 2.0**self.fraction, random).clamp(*self._ends) * 2.0**-self.fraction

    def holds(self, numbers: Tensor) -> bool:
        low, high = (end * 2.0**-self.fraction for end in self._ends)
        within = bool((numbers >= low).all() and (numbers <= high).all())
        return within and not bool(torch.fmod(numbers.double(), 2.0**-self.fraction).any())


@dataclass
class Shared:
    """Dynamic fixed point: `bits` of a number and one exponent for all, which follows how many numbers overflow.

    Numbers are multiples of 2^(integer − bits) in [−2^(integer − 1), 2^(integer − 1)). `follow`, asked now and then:
    where more than `most` of the numbers since the last time were beyond the range, it is doubled; where fewer than
    that would be beyond half of it, it is halved (Courbariaux, Bengio, David, arXiv 1412.7024, algorithm 1, after
    Williamson 1991).
    """

    bits: int
    most: float
    integer: int | None = None  # as the first numbers ask for
    _counts: list[int] = field(default_factory=lambda: [0, 0, 0])

    @property
    def grid(self) -> Fixed:
        """That of now."""
        assert self.integer is not None
        return Fixed(self.integer, self.bits - self.integer)

    def rounded(self, numbers: Tensor, random: torch.Generator | None = None) -> Tensor:
        if self.integer is None:
            self.integer = fitting(numbers, self.most)
        size, end = numbers.detach().abs(), 2.0 ** (self.integer - 1)
        found = int((size >= end).sum()), int((size >= end / 2).sum()), numbers.numel()
        self._counts = [before + more for before, more in zip(self._counts, found, strict=True)]
        return self.grid.rounded(numbers, random)

    def holds(self, numbers: Tensor) -> bool:
        return self.grid.holds(numbers)

    def follow(self) -> bool:
        """Whether the exponent moves."""
        beyond, half, seen = self._counts
        self._counts = [0, 0, 0]
        moved = 0
        if seen and beyond > self.most * seen:
            moved = 1
        elif seen and half < self.most * seen:
            moved = -1
        if self.integer is not None:
            self.integer += moved
        return moved != 0


def fitting(numbers: Tensor, most: float) -> int:
    """The integer bits at which `Shared.follow` would rest if it saw these numbers again and again."""
    size = numbers.detach().abs()
    largest = float(size.max()) if size.numel() else 0.0
    if largest == 0:
        return 1
    integer = int(torch.frexp(torch.tensor(largest, dtype=torch.float64)).exponent) + 1  # none beyond 2^(integer − 1)
    while int((size >= 2.0 ** (integer - 2)).sum()) < most * size.numel():
        integer -= 1
    return integer


@dataclass(frozen=True)
class Floating:
    """(1, exponent, mantissa), the bias 2^(exponent − 1) − 1: subnormals, and the largest exponent for infinities,
    which no number becomes."""

    exponent: int
    mantissa: int

    @property
    def lowest(self) -> int:
        """The exponent of the smallest normal number."""
        return 2 - 2 ** (self.exponent - 1)

    @property
    def largest(self) -> float:
        """The largest number."""
        return float((2 - 2.0**-self.mantissa) * 2.0 ** (2 ** (self.exponent - 1) - 1))

    def _steps(self, numbers: Tensor) -> Tensor:
        exponents = torch.frexp(numbers.double()).exponent - 1
        return ((exponents.clamp(min=self.lowest).long() - self.mantissa + 1023) << 52).view(torch.float64)  # 2^...

    def rounded(self, numbers: Tensor, random: torch.Generator | None = None) -> Tensor:
        steps = self._steps(numbers)
        return (whole(numbers / steps, random) * steps).clamp(-self.largest, self.largest)

    def holds(self, numbers: Tensor) -> bool:
        exact = not bool(torch.fmod(numbers.double(), self._steps(numbers)).any())
        return exact and bool((numbers.abs() <= self.largest).all())
