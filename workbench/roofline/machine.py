"""What this machine can do at best, measured: multiply-accumulates a second, and bytes read a second.

The roofline model (Williams, Waterman, Patterson 2009, "Roofline: an insightful visual performance model", CACM 52(4)):
a computation that does I multiply-accumulates for each byte runs at no more than min(peak, I · bandwidth). The peak is
that of a dense float32 product in torch, the bandwidths those of reading arrays that fit into a cache or into memory
alone. All are the best of many tries, on as many threads as torch uses. The best that was ever seen is kept on disk,
since whatever else the machine does meanwhile can only hide what it can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from workbench.cache import fingerprint
from workbench.errors import Stopped
from workbench.kernels.compiler.features import features
from workbench.kernels.memory.reading import read
from workbench.machine import processor
from workbench.store import Store

CATALOGUE = {"ME-12": "the roof that the intensity is held against"}

_VERSION = 1
_SECONDS = 0.15  # of each measurement
_SIDE = 512  # of the square matrices
_ARRAYS = {"first cache": 2**14, "second cache": 2**18, "large arrays": 2**25}  # bytes for each thread


@dataclass(frozen=True)
class Bandwidth:
    """place: what is read. array: its bytes in all. bytes_per_second: that are read."""

    place: str
    array: int
    bytes_per_second: float


@dataclass(frozen=True)
class Machine:
    """macs_per_second: of a dense float32 product. bandwidths: from the smallest array to the largest."""

    processor: str
    threads: int
    macs_per_second: float
    bandwidths: tuple[Bandwidth, ...]

    def roof(self, intensity: float) -> float:
        """The most multiply-accumulates a second at so many for each byte, wherever that is read fastest."""
        return min(self.macs_per_second, intensity * max(one.bytes_per_second for one in self.bandwidths))

    def ridge(self, bandwidth: Bandwidth) -> float:
        """Multiply-accumulates a byte from which on reading from there is not what limits."""
        return self.macs_per_second / bandwidth.bytes_per_second


def machine(
    store: Store | None = None, *, again: bool = False, cancelled: Callable[[], bool] = lambda: False
) -> Machine:
    """The best that was seen of this processor, with this version of torch, on as many threads as it uses now.

    The first call in a process measures: a second, and one more where the kernel must be compiled first. again: measure
    in any case. Raises Stopped where `cancelled` says so.
    """
    store = store or Store.default()
    threads = torch.get_num_threads()
    key = fingerprint("machine", _VERSION, processor(), sorted(features()), threads, torch.__version__)
    known = _kept(store.noted(key))
    if known is None or again or key not in _measured:
        found = measured(threads, cancelled)
        known = found if known is None else _better(known, found)
        store.note(key, asdict(known))
        _measured.add(key)
    return known


_measured: set[str] = set()  # in this process


def measured(threads: int, cancelled: Callable[[], bool] = lambda: False) -> Machine:
    """Measured now, on `threads` threads, which torch must be using."""
    one, other = (torch.rand(_SIDE, _SIDE, generator=torch.Generator().manual_seed(seed)) for seed in range(2))
    product = torch.empty(_SIDE, _SIDE)
    seconds = _best(lambda: torch.mm(one, other, out=product), cancelled)
    bandwidths = [_bandwidth(place, threads * nbytes, threads, cancelled) for place, nbytes in _ARRAYS.items()]
    return Machine(processor(), threads, _SIDE**3 / seconds, tuple(bandwidths))


def _bandwidth(place: str, nbytes: int, threads: int, cancelled: Callable[[], bool]) -> Bandwidth:
    values = np.zeros(nbytes // 4, np.float32)
    rounds = max(1, threads * 2**22 // nbytes)
    return Bandwidth(place, nbytes, rounds * nbytes / _best(lambda: read(values, rounds, threads), cancelled))


def _better(one: Machine, other: Machine) -> Machine:
    pairs = zip(one.bandwidths, other.bandwidths, strict=True)
    bandwidths = tuple(max(pair, key=lambda found: found.bytes_per_second) for pair in pairs)
    return replace(one, macs_per_second=max(one.macs_per_second, other.macs_per_second), bandwidths=bandwidths)


def _best(run: Callable[[], Any], cancelled: Callable[[], bool]) -> float:
    """Seconds of the fastest of as many runs as there is time for, three at least."""
    run()
    taken: list[float] = []
    end = perf_counter() + _SECONDS
    while len(taken) < 3 or perf_counter() < end:
        if cancelled():
            raise Stopped
        start = perf_counter()
        run()
        taken.append(perf_counter() - start)
    return min(taken)


def _kept(facts: Mapping[str, Any]) -> Machine | None:
    """What was kept; None where that is nothing, or not whole."""
    try:
        bandwidths = tuple(Bandwidth(**one) for one in facts["bandwidths"])
        if [one.place for one in bandwidths] != list(_ARRAYS):
            return None
        return Machine(facts["processor"], facts["threads"], facts["macs_per_second"], bandwidths)
    except (KeyError, TypeError):
        return None
