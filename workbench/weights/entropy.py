"""Encodings of one tensor through a coder, which takes what places and values store as streams of symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError, RecipeError
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack
from workbench.weights.arrays import Planned
from workbench.weights.coders import CODERS, Coder, Symbols, counted
from workbench.weights.encoding import Convolution, Encoding, Kernel, Plan, Scheme
from workbench.weights.form import Form
from workbench.weights.levels import Levels
from workbench.weights.part import Part
from workbench.weights.reading import Reading
from workbench.weights.stored import Stored
from workbench.weights.tensor import DENSE, EVERY, SCHEMES, TensorEncoding, TensorScheme, candidates, cheapest_of

_WITH = "+"
_BYTE = 8


@dataclass(frozen=True, eq=False)
class EntropyEncoding(Encoding):
    """What `plain` stores, its streams of symbols through a coder. A kernel multiplies with the decoded streams."""

    scheme: EntropyScheme
    plain: TensorEncoding

    @property
    def name(self) -> str:
        return self.scheme.name

    @property
    def tensors(self) -> tuple[TensorEncoding, ...]:
        return (self.plain,)

    def decode(self) -> Form:
        return self.plain.decode()

    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        return self.plain.kernels(uses)

    def rounding_kernel(self, entering: Levels, use: Convolution | None) -> Kernel | None:
        return self.plain.rounding_kernel(entering, use)

    def arrays(self) -> tuple[Stored, ...]:
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[Stored, ...]:
        """Coded once: a file's header and its body both ask for them."""
        rows, coder = self.plain.shape[0], self.scheme.coder
        return tuple(coded for stored in self.plain.arrays() for coded in _coded(coder, stored, rows))

    def fields(self) -> dict[str, Any]:
        return self.plain.fields()


@dataclass(frozen=True)
class EntropyScheme(Scheme):
    """The way of `plain` that takes the fewest bytes through `coder`, which need not be the one that does without it:
    wider gaps have fewer fillers, and a coder stores them in as many bits as they are rare."""

    plain: TensorScheme
    coder: Coder

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.plain.name}{_WITH}{self.coder.kind}"

    def plan(self, form: Form) -> Plan | None:
        best = self._best(form)
        if best is None:
            return None
        encoding, arrays = best
        return Plan(encoding.fields(), arrays, (encoding.keeps_levels,))

    def encode(self, form: Form) -> EntropyEncoding:
        best = self._best(form)
        if best is None:
            raise RecipeError(f"Encoding {self.name!r} cannot hold these weights without loss.")
        return EntropyEncoding(self, best[0])

    def restore(self, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> EntropyEncoding:
        return EntropyEncoding(self, self.plain.restored(_Decoding(fields, arrays, self.coder)))

    def _best(self, form: Form) -> tuple[TensorEncoding, Planned] | None:
        """What is to be coded, and the arrays that it becomes; the first of those that take the same bytes."""
        if form.factored or not able(self.plain, self.coder):
            return None
        rows = form.parts[0].shape[0]
        ways = (
            (encoding, tuple(size for stored in encoding.arrays() for size in _sizes(self.coder, stored, rows)))
            for encoding in self.plain.every(form.parts[0].made)
        )
        return min(ways, key=lambda way: sum([nbytes for _, _, nbytes in way[1]]), default=None)


class _Decoding(Reading):
    """Takes a stream of symbols as it is, or as a coder stored it."""

    def __init__(self, fields: Any, arrays: Mapping[str, NDArray[np.uint8]], coder: Coder) -> None:
        super().__init__(fields, arrays)
        self._coder, self._rows = coder, 0

    def shape(self) -> tuple[int, ...]:
        shape = super().shape()
        self._rows = shape[0]
        return shape

    def _stream(self, name: str, width: int, count: int) -> NDArray[np.uint8]:
        names = [own for own in self._coder.names if f"{name}.{own}" in self._arrays]
        if not names:
            return super()._stream(name, width, count)
        coded = {own: self._arrays.pop(f"{name}.{own}") for own in names}
        wide, many = _grain(self._coder, width, count)
        try:
            symbols = self._coder.decode(coded, many, 2**wide, _columns(many, self._rows))
        except FormatError as error:
            raise FormatError(f"stream {name!r}: {error}") from error
        return symbols if wide == _BYTE else pack(symbols, wide)


def able(plain: TensorScheme, coder: Coder) -> bool:
    """Whether the coder takes what the scheme stores: one of matrices takes every weight's code, and no places."""
    return plain.name != DENSE and (plain.places == EVERY or not coder.matrix)


def _coded(coder: Coder, stored: Stored, rows: int) -> tuple[Stored, ...]:
    """What a file holds of `stored`, which is of so many rows: through the coder where that takes fewer bytes."""
    if _sizes(coder, stored, rows)[0][0] == stored.name:
        return (stored,)
    coded = coder.encode(*_symbols(coder, stored, rows))
    return tuple(Stored(f"{stored.name}.{own.name}", _part(stored, own.part), own.data) for own in coded)


def _sizes(coder: Coder, stored: Stored, rows: int) -> Planned:
    """Name, part and bytes of what `_coded` gives."""
    plain = ((stored.name, stored.part, stored.data.size),)
    if not stored.width:
        return plain
    symbols, alphabet, columns = _symbols(coder, stored, rows)
    counts = counted(symbols, alphabet)
    if coder.least(counts) >= stored.data.size:
        return plain
    sizes = coder.sizes(counts)
    if sizes is None:
        sizes = tuple((own.name, own.part, own.data.size) for own in coder.encode(symbols, alphabet, columns))
    if sum([size for _, _, size in sizes]) >= stored.data.size:
        return plain
    return tuple((f"{stored.name}.{name}", _part(stored, part), size) for name, part, size in sizes)


def _part(stored: Stored, part: str) -> str:
    """What the report counts an array of a coder under: its codes under what they stand for."""
    return stored.part if part == "codes" else part


def _symbols(coder: Coder, stored: Stored, rows: int) -> tuple[Symbols, int, int]:
    """The symbols of a stream, how many there are to choose from, and the length of a row."""
    wide, many = _grain(coder, stored.width, stored.symbols)
    symbols = stored.data if wide == _BYTE else unpack(stored.data, wide, many)
    return symbols, 2**wide, _columns(many, rows)


def _columns(many: int, rows: int) -> int:
    return many // rows if rows and many % rows == 0 else 0


def _grain(coder: Coder, width: int, count: int) -> tuple[int, int]:
    """Width and number of the symbols that a coder is given: single bits go eight at once, as bytes, but to one that
    knows of rows."""
    return (_BYTE, packed_size(count, 1)) if width == 1 and not coder.matrix else (width, count)


class _Tensors(Mapping[str, Scheme]):
    """Every scheme of one tensor by its name: without a coder, and "<name>+<coder>"."""

    def __getitem__(self, name: str) -> Scheme:
        plain, through, coder = name.partition(_WITH)
        if not through:
            return SCHEMES[name]
        if coder not in CODERS or not able(SCHEMES[plain], CODERS[coder]()):
            raise KeyError(name)
        return EntropyScheme(SCHEMES[plain], CODERS[coder]())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*SCHEMES, *self._through)))

    def __len__(self) -> int:
        return len(SCHEMES) + len(self._through)

    @property
    def _through(self) -> list[str]:
        pairs = product(SCHEMES.values(), CODERS)
        return [f"{plain.name}{_WITH}{coder}" for plain, coder in pairs if able(plain, CODERS[coder]())]


TENSORS = _Tensors()


def cheapest_through(part: Part, coders: Sequence[str]) -> tuple[Scheme, Plan]:
    """The scheme that holds one tensor without loss in the fewest bytes, through one of `coders` or none, and what it
    stores."""
    found: tuple[Scheme, Plan] = cheapest_of(part)
    if not coders:
        return found
    form = Form.whole(part.made)
    for coder in coders:
        for plain in candidates(part):
            scheme = EntropyScheme(plain, CODERS[coder]())
            plan = scheme.plan(form)
            if plan is not None and plan.nbytes < found[1].nbytes:
                found = scheme, plan
    return found
