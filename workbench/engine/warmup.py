"""Compiles in the background, or loads from disk, the kernels that a slider move needs, before the first one does."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from itertools import product
from threading import Lock, Thread
from time import process_time
from typing import get_args

import numpy as np

from workbench.errors import RecipeError
from workbench.method import Layerwise
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.weights.choice import cheapest, named
from workbench.weights.encoding import Encoding
from workbench.weights.form import Form
from workbench.weights.grouping import Granularity, Grouping
from workbench.weights.levels import Levels
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

_log = logging.getLogger(__name__)
_lock = Lock()
_started = False
_SHAPE = (4, 16, 3, 3)


def start() -> Thread | None:
    """Warm up once in this process, on a daemon thread; None where that has begun already. Errors are logged only."""
    global _started
    with _lock:
        if _started:
            return None
        _started = True
    thread = Thread(target=_run, name="workbench-warmup", daemon=True)
    thread.start()
    return thread


def ahead(seconds: float) -> bool:
    """Warm up here and now, before this process is forked, unless that takes more than `seconds` of a processor.

    Returns whether it was done; then neither this process nor any forked from it does it again.
    """
    global _started
    end = process_time() + seconds
    for _ in _pieces():
        if process_time() > end:
            return False
    _started = True
    return True


def warm_up() -> None:
    """Compress small tensors in every way, which is what a move needs, then store them and read them back.

    The products of the packed runtime are left to their first call: compiling them all takes minutes, during which the
    compiler would hold up the moves themselves.
    """
    for _ in _pieces():
        pass


def _pieces() -> Iterator[None]:
    for form in _compressed():
        cheapest(form)
        for part in form.parts:
            _ = part.values, part.codes
        yield
    for form in _forms():
        for encoding in _encodings(form):
            encoding.decode()
        yield


def _run() -> None:
    try:
        warm_up()
    except Exception:  # nothing depends on it: a kernel that was not warmed is compiled when it is first called
        _log.exception("the kernels could not be warmed up")
    # What is loaded by now, torch's and Numba's hundreds of thousands of objects, stays for good: walking through them
    # would hold up a move for a tenth of a second whenever Python collects its oldest garbage.
    gc.freeze()


def _compressed() -> Iterator[Form]:
    """A tensor cut in the middle of equal magnitudes, then on levels of every kind."""
    weights = np.rint(4 * np.random.default_rng(0).standard_normal(_SHAPE, np.float32))
    whole = {"layer": Form.of(weights)}
    yield whole["layer"]
    quantisers: list[Layerwise] = [Uniform(bits=bits, per=per) for bits in (1, 4) for per in get_args(Granularity)]
    quantisers += [Uniform(bits=1, symmetric="no"), Uniform(bits=4, symmetric="no"), KMeans(bits=2)]
    for sparsity in (0.0, 0.5):
        cut = Magnitude(sparsity=sparsity).apply(whole)
        yield cut["layer"]
        for one in quantisers:
            yield one.apply(cut)["layer"]


def _forms() -> Iterator[Form]:
    """Weights on every kind of levels and width, all there, half of them zero, most and nearly all zero."""
    rng = np.random.default_rng(0)
    for kept, bits in product((1.0, 0.5, 0.12, 0.02), (32, *range(1, 9))):
        alive = rng.random(_SHAPE) < kept
        if bits == 32:
            yield Form.of(np.where(alive, rng.standard_normal(_SHAPE, np.float32), np.float32(0)))
            continue
        for levels in _levels(bits):
            codes = rng.integers(0, 2**bits - 1, _SHAPE, np.uint8)
            yield Form.whole(Part.on_levels(levels, codes, ~alive))


def _levels(bits: int) -> Iterator[Levels]:
    for granularity in ("tensor", "channel", "group"):
        grouping = Grouping(granularity)
        count = grouping.count(_SHAPE)
        point = np.full(count, symmetric_zero_point(bits), np.float32)
        yield Affine(bits, grouping, np.ones(count, np.float32), point, True)
    yield Codebook(bits, np.arange(1, 2**bits + 1, dtype=np.float32))


def _encodings(form: Form) -> Iterator[Encoding]:
    for name in ("dense", "affine", "codebook", "bitmap", "relative-index"):
        try:
            yield named(name, form)
        except RecipeError:  # cannot hold it without loss
            continue
