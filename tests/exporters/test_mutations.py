"""Mutated files, 1,700 at every run and 20,000 in the slow one.

Each gives the weights it was written with, or another legal network, or a FormatError.

Most are damaged as transfers and disks damage them; the digest must find all of it. The others are forged, their digest
made right again, so that what stands behind it is tried: facts of the header, its bytes, and those of the arrays.
"""

from __future__ import annotations

import copy
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from tests.exporters import forging
from tests.exporters.forging import Net, every_encoding, sealed, taken_apart, with_sizes, written
from workbench.compression.compressed import CompressedModel, compress, read
from workbench.errors import FormatError
from workbench.exporters.binary_json import read_number
from workbench.network.model import load
from workbench.recipe import Recipe

MOST_MEMORY = 64 * 2**20
LONGEST = 5.0  # seconds of the processor for one file
INFINITY, NEGATIVE_ZERO = b"\0\0\x80\x7f", b"\0\0\0\x80"
Mutation = Callable[[random.Random, bytes], bytes]


def _damaged(rng: random.Random, content: bytes) -> bytes:
    """Bits flipped, bytes overwritten, cut off, put in, moved or doubled."""
    data = bytearray(content)
    start, length = rng.randrange(len(data)), rng.choice([1, 1, 2, 8, 64, 512])
    match rng.randrange(7):
        case 0:
            for _ in range(rng.choice([1, 1, 2, 10])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            data[start : start + length] = rng.randbytes(length)
        case 2:
            del data[start:]
        case 3:
            del data[start : start + length]
        case 4:
            data[start:start] = rng.randbytes(length)
        case 5:
            data[start:start] = data[rng.randrange(len(data)) :][:length]
        case 6:
            data[start : start + length] = bytes(len(data[start : start + length]))
    return bytes(data)


ODD: list[Any] = [None, True, False, 0, 1, 2, -1, 7, 255, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, "", "x", [], {}, [0]]
ODD += ["dense", "affine", "codebook", "bitmap", "relative-index", "factored", "float32", "float64", "tensor", "group"]


def _forged_header(rng: random.Random, content: bytes) -> bytes:
    """One or two facts changed to others of their kind or to anything, renamed, left out, doubled or exchanged."""
    header, arrays = taken_apart(content)
    for _ in range(rng.choice([1, 1, 2])):
        places = _places(header)
        holder, key = rng.choice(places)
        if key not in (holder if isinstance(holder, dict) else range(len(holder))):
            continue  # an earlier change took it away
        match rng.randrange(6):
            case 0:
                holder[key] = _near(rng, holder[key])
            case 1:
                holder[key] = rng.choice(ODD)
            case 2:
                del holder[key]
            case 3:
                if isinstance(holder, dict):
                    holder[f"{key}x"] = holder.pop(key)
                else:
                    holder.insert(key, holder[key])
            case 4:
                other, its_key = rng.choice(places)
                if its_key in (other if isinstance(other, dict) else range(len(other))):
                    holder[key] = copy.deepcopy(other[its_key])
            case 5:
                holder[key] = {"a": [holder[key]] * 3}
    return sealed(header, arrays)


def _forged_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes of the header itself, or its length: it may name any template, and announce any list."""
    start, data = forging.BEFORE, bytearray(content)
    length, first = read_number(content, start)
    for _ in range(rng.choice([1, 1, 2, 5])):
        data[rng.randrange(start, first + length)] = rng.randrange(256)
    if rng.random() < 0.2:
        place = rng.randrange(first, first + length)
        data[place:place] = rng.randbytes(rng.choice([1, 2, 30]))
    return forging.resealed(bytes(data))


def _forged_array(rng: random.Random, content: bytes) -> bytes:
    """Bytes of one array changed, or the array longer or shorter and the header saying so."""
    header, arrays = taken_apart(content)
    index = rng.choice([index for index, array in enumerate(arrays) if array])
    data = bytearray(arrays[index])
    start = rng.randrange(len(data))
    match rng.randrange(5):
        case 0:
            data[start] ^= 1 << rng.randrange(8)
        case 1:
            data[start : start + 4] = rng.choice(
                [b"\xff" * 4, bytes(4), b"\0\0\x80\x7f", b"\0\0\0\x80", rng.randbytes(4)]
            )
        case 2:
            data[:] = rng.randbytes(len(data))
        case 3:
            data[:] = bytes([rng.choice([0, 255])]) * len(data)
        case 4:
            data[start:start] = rng.randbytes(rng.choice([1, 4, 100, 10_000]))
            del data[rng.randrange(len(data)) : rng.choice([0, len(data)])]
    arrays[index] = bytes(data)
    return sealed(with_sizes(header, arrays), arrays)


def _places(holder: Any) -> list[tuple[Any, Any]]:
    """Every value of a JSON object as (what holds it, its key)."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    found = []
    for key in keys:
        found.append((holder, key))
        if isinstance(holder[key], (dict, list)):
            found += _places(holder[key])
    return found


def _near(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + rng.choice([-1, 1, 8, 64, 2**20])
    if isinstance(value, str):
        return value[:-1] + rng.choice("abcde01 ")
    return value


def _weights(compressed: CompressedModel) -> list[bytes]:
    weights = [part.values.tobytes() for form in compressed.forms.values() for part in form.parts]
    return weights + [tensor.tobytes() for tensor in compressed.model.rest.values()]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, nn.Module | None, list[bytes]]]:
    """Content, network to hand over, weights: of a user's network with every encoding, and of one of the zoo."""
    folder = tmp_path_factory.mktemp("originals")
    zoo = compress(load("lenet-300-100/mnist"), Recipe.sliders(sparsity=0.98, bits=3))
    cases = []
    for compressed, module in ((every_encoding(), Net()), (zoo, None)):
        content = written(compressed, folder)
        cases.append((content, module, _weights(read(folder / "written.cwb", module))))
    return cases


COUNTS: list[tuple[Mutation, int]] = [
    (_damaged, 1100),
    (_forged_header, 300),
    (_forged_bytes, 200),
    (_forged_array, 100),
]
MANY: list[tuple[Mutation, int]] = [
    (_damaged, 12_000),
    (_forged_header, 4000),
    (_forged_bytes, 2000),
    (_forged_array, 2000),
]


@pytest.mark.parametrize(
    ("mutation", "count"), [*COUNTS, *(pytest.param(*mutated, marks=pytest.mark.slow) for mutated in MANY)]
)
def test_mutated_files(
    mutation: Mutation, count: int, originals: list[tuple[bytes, nn.Module | None, list[bytes]]], tmp_path: Path
) -> None:
    outcomes: Counter[str] = Counter()
    path = tmp_path / "mutated.cwb"
    for seed in range(count):
        content, module, weights = originals[seed % 8 == 0]
        path.write_bytes(mutation(random.Random(seed), content))
        start = time.process_time()
        # being watched takes longer than reading: arrays that are as long as they say are watched a quarter of the time
        with watched(f"{seed}") if mutation is not _forged_array or seed % 4 == 0 else nullcontext():
            outcome = _outcome(path, module, weights)
        assert time.process_time() - start < LONGEST, seed
        assert mutation is not _damaged or outcome != "other weights", seed
        outcomes[outcome] += 1
    assert outcomes["refused"] > count // 4
    if mutation is _forged_array:
        assert outcomes["other weights"] > count // 4  # the forgeries do get past the digest


@contextmanager
def watched(what: str) -> Iterator[None]:
    """Fails where more memory is taken meanwhile than any file here may."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY, what
    finally:
        tracemalloc.stop()


def _outcome(path: Path, module: nn.Module | None, weights: list[bytes]) -> str:
    try:
        back = read(path, module)
    except FormatError as error:
        return "refused" if str(error).startswith(f"{path}: ") else "refused without its name"
    assert all(np.isfinite(layer.weight).all() for layer in back.model.layers)
    if not back.step_notes:  # which say what the file left out
        assert back.save(path.with_name("again.cwb")).read_bytes() == path.read_bytes()  # one network, one file
    return "same weights" if _weights(back) == weights else "other weights"
