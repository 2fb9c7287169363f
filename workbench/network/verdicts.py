"""Which kernels are slower on this machine than dense torch: measured for each family of products, and kept.

A family is what takes about as long (`network/families.py`). Its verdict is measured when a network that needs it is
packed, in a few milliseconds, with torch's own layer of the decoded weights taking turns in the same process. Both are
the best that was seen, since whatever else the machine does meanwhile can only hide what it can do; the next processes
look once more, until there are three. It is kept in a file of the user's own, for the processor and the versions that
it was measured with: whatever of that changes makes a verdict anew, and so does a file that is damaged, or that
somebody else could have written.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import torch

from workbench.cache import fingerprint
from workbench.errors import Stopped
from workbench.files import write
from workbench.kernels.compiler.features import features, named_processor
from workbench.kernels.compiler.jit import kernel_folder, private_folder, sources_digest
from workbench.machine import processor
from workbench.network.interleaved import interleaved

SLOWER = 1.05  # times as long as dense torch: what such measurements repeat within
_SECONDS = 5e-3  # of a measurement
_FEWEST = 5  # rounds of one whatever that takes, or three where one side takes twice as long as the other and more
_PROCESSES = 3  # that measure, one after another
_FILE = "verdicts.json"
_LARGEST_FILE = 2**22  # bytes
_MOST_MACHINES, _MOST_FAMILIES = 8, 1024  # that are kept; the oldest go first


@dataclass(frozen=True)
class Verdict:
    """The fewest seconds of a product by a kernel, and by dense torch in its place. measured: by how many processes."""

    kernel: float
    dense: float
    measured: int = 1

    @property
    def times(self) -> float:
        """How many times as long the kernel takes."""
        return self.kernel / self.dense

    @property
    def slower(self) -> bool:
        """Whether the kernel is slower, beyond what measurements repeat within."""
        return self.times > SLOWER

    def again(self, other: Verdict) -> Verdict:
        """With what was measured later."""
        return Verdict(min(self.kernel, other.kernel), min(self.dense, other.dense), self.measured + other.measured)


class Verdicts:
    """By family, those of one machine. Several threads and processes may use them at once.

    folder: where they are kept; None keeps them for this process alone. machine: what else they hold for.
    """

    def __init__(self, folder: Path | None, machine: str) -> None:
        self._path = None if folder is None else folder / _FILE
        self._machine = machine
        self._found: dict[str, Verdict] = _read(self._path).get(machine, {})
        self._own: set[str] = set()  # those that this process measured
        self._new = False
        self._lock = Lock()

    def find(self, family: str) -> Verdict | None:
        return self._found.get(family)

    def wants(self, family: str) -> bool:
        """Whether this process is to measure it."""
        found = self._found.get(family)
        return found is None or (found.measured < _PROCESSES and family not in self._own)

    def add(self, family: str, verdict: Verdict) -> Verdict:
        """What is known now, with `verdict` of this process."""
        with self._lock:
            before = self._found.get(family)
            self._found[family] = verdict if before is None else before.again(verdict)
            self._own.add(family)
            self._new = True
            return self._found[family]

    def save(self) -> None:
        """Write down what is new beside what others wrote; what cannot be written is measured again."""
        with self._lock:
            if self._path is None or not self._new:
                return
            machines = _read(self._path)
            known = machines.pop(self._machine, {})  # the last one that was written stands last
            machines[self._machine] = dict(list({**known, **self._found}.items())[-_MOST_FAMILIES:])
            content = {
                machine: {family: [one.kernel, one.dense, one.measured] for family, one in families.items()}
                for machine, families in list(machines.items())[-_MOST_MACHINES:]
            }
            with contextlib.suppress(OSError):
                write(self._path, [json.dumps(content, indent=0).encode()])
            self._new = False


@cache
def here() -> Verdicts:
    """Those of this machine, as kernels are compiled in this process."""
    return Verdicts(private_folder(kernel_folder()), machine())


def machine() -> str:
    """The processor, the one that kernels are made for where another is named, and a digest of all that a time follows
    from beside them: features, torch with what it makes of the processor, the compiler, and the kernels' sources."""
    capability = torch.backends.cpu.get_cpu_capability()
    computing = fingerprint(sorted(features()), torch.__version__, capability, sources_digest())
    named = named_processor()
    return f"{processor()}{f' as {named}' if named else ''}, {computing}"


Judge = Callable[[str, Callable[[], Verdict]], Verdict | None]


def measured(
    family: str, measure: Callable[[], Verdict], cancelled: Callable[[], bool] = lambda: False
) -> Verdict | None:
    """The verdict that is kept, or one measured now. Raises Stopped where `cancelled` says so before or after that."""
    if not here().wants(family):
        return here().find(family)
    if cancelled():
        raise Stopped
    found = measure()
    if cancelled():  # what is waited for may have disturbed it
        raise Stopped
    return here().add(family, found)


def known(family: str, measure: Callable[[], Verdict]) -> Verdict | None:
    """The verdict that is kept, if there is one."""
    return here().find(family)


def unjudged(family: str, measure: Callable[[], Verdict]) -> Verdict | None:
    """None: every kernel is used, so that the network takes no more memory than its stored bytes."""
    return None


def timed(kernel: Callable[[], Any], dense: Callable[[], Any]) -> Verdict:
    """A verdict on two products of the same numbers."""
    taken: list[tuple[float, ...]] = []
    with torch.inference_mode(), interleaved((kernel, dense)) as take:
        end = perf_counter() + _SECONDS
        while not (perf_counter() > end and _enough(taken)):
            taken.append(take())
    return Verdict(*(min(side) for side in zip(*taken, strict=True)))


def _enough(taken: list[tuple[float, ...]]) -> bool:
    if len(taken) in range(3, _FEWEST):
        kernel, dense = (min(side) for side in zip(*taken, strict=True))
        return not 0.5 < kernel / dense < 2
    return len(taken) >= _FEWEST


def _read(path: Path | None) -> dict[str, dict[str, Verdict]]:
    """By machine and family, in the order in which they were written; nothing of what cannot have been written."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST_FILE).decode())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {machine: _verdicts(families) for machine, families in content.items() if isinstance(families, dict)}


def _verdicts(families: dict[str, Any]) -> dict[str, Verdict]:
    return {family: Verdict(*facts) for family, facts in families.items() if _sound(facts)}


def _sound(facts: Any) -> bool:
    if not isinstance(facts, list) or [type(one) for one in facts] != [float, float, int]:
        return False
    return all(math.isfinite(one) and one > 0 for one in facts)
