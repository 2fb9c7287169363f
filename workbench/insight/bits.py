"""A few weights of a layer as they lie in the packed file, bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.compression.compressed import CompressedModel
from workbench.exporters.packed import overhead
from workbench.weights.choice import named
from workbench.weights.encoding import Encoding
from workbench.weights.tensor import TensorEncoding

WORDS = 6
BYTES = 24


@dataclass(frozen=True)
class Word:
    """One stored weight. place: (row, column) in the matrix [out, in · kh · kw]. bits: the lowest first, as they lie.

    code: the whole number that the bits are; None of a float32. step, point: of a uniform grid, on which the value is
    step · (code − point); None of other levels. value: of the weight.
    """

    place: tuple[int, int]
    bits: str
    code: int | None
    step: float | None
    point: float | None
    value: float


@dataclass(frozen=True, eq=False)
class Run:
    """An array of the file. start: where it begins, in bytes from the beginning of the file. first: at most `BYTES`."""

    name: str
    part: str
    start: int
    nbytes: int
    first: NDArray[np.uint8]


@dataclass(frozen=True)
class Stored:
    """One tensor of a layer in the file. encoding: its name. values: "float32", or the kind of its levels.

    width: bits of a stored word, 0 where there is nothing to choose. words: the first ones; none where a code stands
    for several weights. listed: how many words there are. coded: whether the words go through a coder, so that the
    runs hold other bits. runs: its arrays, in file order.
    """

    encoding: str
    values: str
    width: int
    words: tuple[Word, ...]
    listed: int
    coded: bool
    runs: tuple[Run, ...]


def stored(compressed: CompressedModel, layer: str, factor: int = 0) -> Stored:
    """The tensor of that number, 0 for the first, of the layer."""
    name, _ = compressed.plans[layer]
    form = compressed.forms[layer]
    encoding = compressed.given[layer] if layer in compressed.given else named(name, form)
    tensor, prefix = encoding.tensors[factor], f"{factor}." if form.factored else ""
    width, words, listed = _words(tensor)
    own = {array.name for array in encoding.arrays() if array.name.startswith(prefix)}
    runs, start = [], _start(compressed, layer)
    for array in encoding.arrays():
        if array.name in own:
            runs.append(Run(array.name.removeprefix(prefix), array.part, start, array.data.size, array.data[:BYTES]))
        start += array.data.size
    plain = {array.name for array in tensor.arrays()}
    coded = any(run.name not in plain for run in runs)
    return Stored(_name(encoding, factor), tensor.values.kind, width, words, listed, coded, tuple(runs))


def _name(encoding: Encoding, factor: int) -> str:
    parts = encoding.fields().get("factors")
    return str(parts[factor]["encoding"]) if parts else encoding.name


def _words(tensor: TensorEncoding) -> tuple[int, tuple[Word, ...], int]:
    """Width of a word, the first ones, and how many there are."""
    width, words = tensor.values.words()
    if words is None:
        return width, (), 0
    positions = tensor.places.positions(tensor.shape)
    first = np.arange(min(words.size, WORDS)) if positions is None else positions[:WORDS]
    values = tensor.decode().parts[0].values.reshape(-1)[first]
    columns = max(math.prod(tensor.shape[1:]), 1)
    grid = tensor.values.grid(tensor.shape)
    found = []
    for place, word, value in zip(first.tolist(), words[:WORDS].tolist(), values.tolist(), strict=True):
        row, column = divmod(place, columns)
        step, point = (None, None) if grid is None else (float(grid[0][row]), float(grid[1][row]))
        bits = f"{word:0{width}b}"[::-1] if width else ""
        code = None if tensor.values.kind == "float32" else word
        found.append(Word((row, column), bits, code, step, point, value))
    return width, tuple(found), words.size


def _start(compressed: CompressedModel, layer: str) -> int:
    """Where the layer's first array begins in the file."""
    start = overhead(compressed)
    for name, (_, plan) in compressed.plans.items():
        if name == layer:
            break
        start += plan.nbytes + sum(table.data.size for table in compressed.entering.get(name, ()))
    return start
