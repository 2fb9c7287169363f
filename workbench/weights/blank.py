"""A tensor that is known by its shape alone: how many of its weights are zero is told, and which levels they lie on.

What follows from counts goes on as with any part: operations, and the sizes of encodings that list weights by number.
What needs the values raises BlankError.
"""

from __future__ import annotations

import math
from typing import NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BlankError
from workbench.weights.arrays import Codes, Floats
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels import Levels
from workbench.weights.part import Cut, Part

_OBJECTS = 512  # bytes


def blanks(form: Form) -> tuple[Blank, ...]:
    """The tensors of a form of which none is known."""
    return cast("tuple[Blank, ...]", form.parts)


class Blank(Part):
    """nonzeros: how many weights are not zero, all by default. pattern: N and M where N of every M are left.

    Rounding makes no further zeros here, and no channel is taken to be empty: both would follow from the values.
    """

    known = False

    def __init__(
        self,
        shape: tuple[int, ...],
        nonzeros: int | None = None,
        levels: Levels | None = None,
        pattern: tuple[int, int] | None = None,
    ) -> None:
        self._shape = shape
        self._nonzeros = math.prod(shape) if nonzeros is None else nonzeros
        self.levels, self.cut, self.pattern = levels, None, pattern

    def thinned(self, zeros: int) -> Blank:
        """The same with so many zeros, or as many as it has where those are more."""
        return Blank(self.shape, min(self.nonzeros, self.size - zeros), self.levels)

    def patterned(self, n: int, m: int) -> Blank:
        """The same with N left of every M weights of a row; what follows a row's last whole run stays."""
        rows, columns = self.shape[0], math.prod(self.shape[1:])
        zeros = rows * (columns // m) * (m - n)
        return Blank(self.shape, min(self.nonzeros, self.size - zeros), self.levels, (n, m))

    def rounded(self, levels: Levels) -> Blank:
        return Blank(self.shape, self.nonzeros, levels, self.pattern)

    @property
    def dissolved(self) -> Blank:
        return Blank(self.shape, self.nonzeros, None, self.pattern)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def size(self) -> int:
        return math.prod(self._shape)

    @property
    def nonzeros(self) -> int:
        return self._nonzeros

    @property
    def alive_size(self) -> int:
        return self.size if self.nonzeros else 0

    @property
    def surely_alive_size(self) -> int:
        return self.alive_size

    @property
    def nbytes(self) -> int:
        return _OBJECTS + (0 if self.levels is None else self.levels.nbytes)

    def ranges(self, grouping: Grouping) -> tuple[Floats, Floats]:
        """Some range for every group: what levels are made of it is as many bytes as of any other."""
        ones = np.ones(grouping.count(self.shape), np.float32)
        return -ones, ones

    def deviations(self, grouping: Grouping, centred: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Some mean and spread for every group, as in `ranges`."""
        ones = np.ones(grouping.count(self.shape))
        return 0 * ones, ones

    @property
    def values(self) -> Floats:
        self._unknown()

    @property
    def codes(self) -> Codes | None:
        self._unknown()

    @property
    def made(self) -> Part:
        self._unknown()

    @property
    def fillers(self) -> tuple[int, ...]:
        self._unknown()

    @property
    def alive(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        self._unknown()

    def without(self, cut: Cut) -> Part:
        self._unknown()

    def kept(self, stays: NDArray[np.bool_]) -> Part:
        self._unknown()

    def _unknown(self) -> NoReturn:
        raise BlankError("The weights of this network are not known, and this follows from their values.")
