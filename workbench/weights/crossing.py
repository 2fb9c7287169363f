"""The smaller tensor that is left of a layer's weight: the rows that stay, and the columns that they still meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import RecipeError
from workbench.weights.arrays import Indices
from workbench.weights.choice import named, smallest
from workbench.weights.encoding import Encoding
from workbench.weights.form import Factor, Form
from workbench.weights.part import Part
from workbench.weights.places import PLACES
from workbench.weights.places.channels import Channels
from workbench.weights.tensor import DENSE


@dataclass(frozen=True, eq=False)
class Crossing:
    """Of a weight [out, in / groups, ...]: which of its rows stay, and which columns.

    shape: of the weight, rows and columns only. rows: those that stay, ascending, as many in each group that stays.
    columns: int64 [groups that stay, columns], ascending, for each group the columns of its rows.
    """

    shape: tuple[int, int]
    rows: Indices
    columns: Indices

    @property
    def left(self) -> tuple[int, int]:
        """Rows and columns of the smaller tensor."""
        return self.rows.size, self.columns.shape[1]

    @cached_property
    def every_row(self) -> bool:
        return self.rows.size == self.shape[0]

    @cached_property
    def every_column(self) -> bool:
        return self.columns.shape[1] == self.shape[1]

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """[out, in / groups, ...] to the smaller tensor, in C order."""
        rows = array if self.every_row else array[self.rows]
        if self.every_column:
            return np.ascontiguousarray(rows)
        own = np.repeat(self.columns, len(rows) // len(self.columns), axis=0)
        own = own.reshape(*own.shape, *[1] * (array.ndim - 2))
        return np.ascontiguousarray(np.take_along_axis(rows, own, axis=1))

    def part(self, part: Part) -> Part | None:
        """The smaller tensor of `part` on the same levels; None where these are shared across what goes and stays."""
        values, codes = part.values, part.codes
        if part.levels is None or codes is None or not part.levels.code_per_weight:
            return Part.of(self.of(values))
        levels = part.levels.within(part.shape, self.rows, self.every_column)
        if levels is None:
            return None
        smaller = Part.on_levels(levels, self.of(codes), self.of(values == 0))
        return smaller if np.array_equal(smaller.values, self.of(values)) else None

    def form(self, form: Form) -> Form | None:
        """What is left of a layer: rows of its last factor, columns of its first. None as for `part`."""
        factors, last = list(form.factors), len(form.factors) - 1
        ends = {0: self}
        if form.factored:
            ranks, inner = form.parts[0].shape[0], form.parts[last].shape[1]
            ends = {
                0: Crossing((ranks, form.parts[0].shape[1]), np.arange(ranks), self.columns),
                last: Crossing((form.parts[last].shape[0], inner), self.rows, np.arange(inner)[None]),
            }
        for place, crossing in ends.items():
            part = crossing.part(factors[place].part)
            if part is None:
                return None
            factors[place] = Factor(part, factors[place].passage)
        return Form(tuple(factors))

    def encoding(self, encoding: Encoding) -> Encoding | None:
        """What is left of an encoded layer, in the same encoding where that holds it; else in the smallest one.

        None as for `part`.
        """
        whole = encoding.decode()
        form = self.form(whole)
        if form is None:
            return None
        name = encoding.name.partition("+")[0]
        if any(part.levels is not None and not part.levels.code_per_weight for part in whole.parts):
            name = DENSE  # the values, since codes are shared
        filled = name in PLACES and all(part.nonzeros == part.size for part in form.parts)
        if form.factored or name == Channels.name or filled:  # there is nothing left to say where weights stand
            return smallest(form)
        try:
            return named(name, form)
        except RecipeError:
            return smallest(form)
