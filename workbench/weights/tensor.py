"""Encodings of one tensor without a coder: which weights are listed (places), as what (values)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError, RecipeError
from workbench.weights.arrays import all_finite
from workbench.weights.blank import Blank
from workbench.weights.encoding import Convolution, Encoding, Kernel, Plan, Scheme
from workbench.weights.form import Form
from workbench.weights.levels import LEVELS, Levels
from workbench.weights.part import Part
from workbench.weights.places import PLACES, Places, Placing
from workbench.weights.products import ROOM, product
from workbench.weights.reading import Reading
from workbench.weights.stored import Stored
from workbench.weights.values import (
    FLOAT32,
    Values,
    ValuesPlan,
    planned_codes,
    restored,
    smallest_values,
)

EVERY = "every"
DENSE = "dense"  # what every weight as float32 is called
# Of two that take the same bytes the simpler one is taken; those that are not listed come last.
_SIMPLEST_FIRST = (DENSE, "affine", "codebook", "bitmap", "relative-index", "n-m", "block")


@dataclass(frozen=True, eq=False)
class TensorEncoding(Encoding):
    """shape: of the weight. places: which weights the values are listed for."""

    scheme: TensorScheme
    shape: tuple[int, ...]
    places: Places
    values: Values

    @property
    def name(self) -> str:
        return self.scheme.name

    @property
    def tensors(self) -> tuple[TensorEncoding, ...]:
        return (self,)

    def decode(self) -> Form:
        return Form.whole(self._part())

    @property
    def keeps_levels(self) -> bool:
        """Whether the weights are stored as codes, not as float32."""
        return self.values.kind != FLOAT32

    def _part(self) -> Part:
        return self.values.part(self.shape, self.places.positions(self.shape))

    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        (use,) = uses
        return (product(self.values, self.places, self.shape, use),)

    def rounding_kernel(self, entering: Levels, use: Convolution | None) -> Kernel | None:
        positions = self.places.positions(self.shape)
        kernel = self.values.multiplied(entering, self.shape, positions, use)
        if kernel is None or positions is None:
            return kernel
        stored = sum([array.data.nbytes for array in self.arrays()])
        return kernel if kernel.nbytes <= ROOM * stored else None

    def arrays(self) -> tuple[Stored, ...]:
        return (*self.places.arrays(), *self.values.arrays())

    def fields(self) -> dict[str, Any]:
        kind = {} if self.scheme.kind else {"values": self.values.kind}
        return {"shape": list(self.shape), **self.places.fields(), **kind, **self.values.fields()}

    def check(self) -> None:
        """Raises FormatError for weights that are not finite, or that could not stand where they do."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._part().values
        if not all_finite(values):
            raise FormatError("its weights are not all finite")
        positions = self.places.positions(self.shape)
        self.places.check(values.reshape(-1) if positions is None else values.reshape(-1)[positions])


@dataclass(frozen=True)
class Found:
    """A way to store a tensor, and the bytes that it takes."""

    placing: Placing
    values: ValuesPlan
    nbytes: int

    def plan(self, scheme: TensorScheme, shape: tuple[int, ...]) -> Plan:
        """What `scheme` stores by it of a tensor of `shape`."""
        kind = {} if scheme.kind else {"values": self.values.kind}
        fields = {"shape": list(shape), **self.placing.fields, **kind, **self.values.fields}
        return Plan(fields, (*self.placing.arrays, *self.values.arrays), (self.values.levels is not None,))


@dataclass(frozen=True)
class TensorScheme(Scheme):
    """One tensor by `places`. kind: of the values that it is bound to, or None for whichever take the fewest bytes.

    Every weight is listed under the name of its values: "dense" for float32, else the kind of the levels.
    """

    name: str
    places: str
    kind: str | None

    def plan(self, form: Form) -> Plan | None:
        best = None if form.factored else self.best(form.parts[0])
        return None if best is None else best.plan(self, form.parts[0].shape)

    def encode(self, form: Form) -> TensorEncoding:
        if form.factored:
            raise RecipeError(f"Encoding {self.name!r} holds one tensor, and these weights are several.")
        part = form.parts[0].made
        best = self.best(part)
        if best is None:
            raise RecipeError(f"Encoding {self.name!r} cannot hold these weights without loss.")
        return self._encoded(part, best.placing, best.values)

    def every(self, part: Part) -> Iterator[TensorEncoding]:
        """The tensor stored in each way that this scheme has, whichever takes the fewest bytes."""
        for placing in PLACES[self.places].placings(part):
            for kind in [self.kind] if self.kind else [FLOAT32, *([part.levels.kind] if part.levels else [])]:
                values = _planned(kind, part, placing)
                if values is not None:
                    yield self._encoded(part, placing, values)

    def _encoded(self, part: Part, placing: Placing, values: ValuesPlan) -> TensorEncoding:
        places = PLACES[self.places].of(part, placing)
        return TensorEncoding(self, part.shape, places, values.of(part, places.positions(part.shape)))

    def restore(self, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> TensorEncoding:
        return self.restored(Reading(fields, arrays))

    def restored(self, reading: Reading) -> TensorEncoding:
        """What `reading` gives. Raises FormatError for anything that could not have been written."""
        shape = reading.shape()
        places = PLACES[self.places].restore(reading, shape)
        kind = self.kind or reading.choice("values", (FLOAT32, *LEVELS))
        positions = places.positions(shape)
        values = restored(kind, reading, shape, None if positions is None else positions.size)
        reading.finish()
        encoding = TensorEncoding(self, shape, places, values)
        encoding.check()
        return encoding

    def best(self, part: Part, below: float = math.inf) -> Found | None:
        """The placing and the values that take the fewest bytes together, the first of those that take the same; None
        where they take `below` or more."""
        places, best = PLACES[self.places], None
        for placing in places.outlined(part) if isinstance(part, Blank) else places.placings(part, below):
            nbytes = sum([size for _, _, size in placing.arrays])
            if not placing.every and placing.entries > part.listed_within(below - nbytes):
                continue
            values = self._values(part, placing)
            if values is not None and nbytes + values.nbytes < below:
                below = nbytes + values.nbytes
                best = Found(placing, values, below)
        return best

    def _values(self, part: Part, placing: Placing) -> ValuesPlan | None:
        return smallest_values(part, placing) if self.kind is None else _planned(self.kind, part, placing)


def _planned(kind: str, part: Part, placing: Placing) -> ValuesPlan | None:
    """Values of that kind; None where the part does not lie on such levels."""
    if kind == FLOAT32:
        return ValuesPlan(placing.entries)
    if part.levels is None or part.levels.kind != kind:
        return None
    return planned_codes(part, placing)


class _Schemes(Mapping[str, TensorScheme]):
    """By name: every weight in the values of each kind, then each other way to place them."""

    def __getitem__(self, name: str) -> TensorScheme:
        if name == DENSE:
            return TensorScheme(name, EVERY, FLOAT32)
        if name in LEVELS:
            return TensorScheme(name, EVERY, name)
        if name in PLACES and name != EVERY:
            return TensorScheme(name, name, None)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((DENSE, *LEVELS, *(name for name in PLACES if name != EVERY))))

    def __len__(self) -> int:
        return len(list(iter(self)))


SCHEMES = _Schemes()


def cheapest_of(part: Part) -> tuple[TensorScheme, Plan]:
    """The scheme that holds one tensor without loss in the fewest bytes, and what it stores."""
    chosen: tuple[TensorScheme, Found] | None = None
    for scheme in candidates(part):
        found = scheme.best(part, math.inf if chosen is None else chosen[1].nbytes)
        if found is not None:
            chosen = scheme, found
    assert chosen is not None  # float32 values hold any tensor
    scheme, found = chosen
    return scheme, found.plan(scheme, part.shape)


def candidates(part: Part) -> tuple[TensorScheme, ...]:
    """What may hold the tensor in the fewest bytes, the simplest first."""
    return _candidates(None if part.levels is None else part.levels.kind, part.nonzeros < part.size)


@cache
def _candidates(kind: str | None, sparse: bool) -> tuple[TensorScheme, ...]:
    """Of levels of that kind. Where no weight is zero, saying where the others stand only takes more."""
    names = [DENSE, *([kind] if kind else []), *(name for name in PLACES if sparse and name != EVERY)]
    return tuple(SCHEMES[name] for name in sorted(names, key=simplicity))


def simplicity(name: str) -> tuple[int, str]:
    """What encodings are sorted by, the simplest first."""
    return (_SIMPLEST_FIRST.index(name) if name in _SIMPLEST_FIRST else len(_SIMPLEST_FIRST)), name
