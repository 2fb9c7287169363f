"""`workbench bench kernels`: every kernel beside what a user would pick instead, in one process, on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

from benchmarks.measure import Case, Row, at_most, torch_threads
from benchmarks.opponents import limited, named_processor
from workbench.errors import WorkbenchError
from workbench.machine import processor

VECTOR = ("avx2", "fma", "avx512f", "avx512bw", "avx512vnni", "avx512vpopcntdq", "avx512bf16", "neon", "sve")
# Module -> the kernels that its rows are about.
FAMILIES = {
    "pack": ("pack", "unpack"),
    "lowbit": ("gemv_lowbit", "gemm_lowbit"),
    "binary": ("gemm_binary", "conv_binary"),
    "sparse": ("spmm_stream", "spmm_block", "spmm_nm"),
    "statistics": ("threshold", "fake_quantize"),
}
QUICK_ROUNDS = 5
KERNELS = tuple(kernel for family in FAMILIES.values() for kernel in family)


@dataclass(frozen=True)
class Progress:
    """A row as it was measured, and how many measurements of all are over.

    left: seconds that the others will take, if they take as long as those that are over.
    """

    row: Row
    done: int
    total: int
    left: float

    def __str__(self) -> str:
        left = f"about {self.left / 60:.0f} min" if self.left >= 90 else f"about {self.left:.0f} s"
        threads = f"{self.row.threads} thread{'s' if self.row.threads > 1 else ''}"
        return f"{self.done} of {self.total}, {left} left: {self.row.kernel}, {threads}, {self.row.case}"


def run(
    threads: tuple[int, ...] = (1, 2),
    progress: Callable[[Progress], None] = lambda progress: None,
    *,
    kernels: Sequence[str] = KERNELS,
    quick: bool = False,
    rounds: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """{"machine": {...}, "rows": [...], "quick": [[kernel, case], ...]}: all rows, and which the README shows.

    The rows of `kernels` at each number of threads that the machine has. quick: only the measurements that the README
    shows. rounds: time each row in so many rounds at most. progress: called with every row as it is measured. What was
    measured until `cancelled` said so, between two measurements, is returned. Raises WorkbenchError for a kernel that
    there is not.
    """
    check(kernels, rounds)
    planned = _planned([count for count in threads if count <= (os.cpu_count() or 1)], kernels, quick)
    rows: list[dict[str, Any]] = []
    shown: list[list[str]] = []
    begun = perf_counter()
    with at_most(rounds):
        for done, (case, count) in enumerate(planned, 1):
            with torch_threads(count):
                measured = tuple(case.measure(count))
            left = (perf_counter() - begun) / done * (len(planned) - done)
            for row in measured:
                rows.append(row.to_dict())
                if case.quick and count == 1:
                    shown.append([row.kernel, row.case])
                progress(Progress(row, done, len(planned), left))
            if cancelled():
                break
    return {"machine": machine(), "rows": rows, "quick": shown}


def named(names: Sequence[str]) -> tuple[str, ...]:
    """The kernels that `names` mean, each a kernel's or a family's. Raises WorkbenchError where one is neither."""
    kernels = tuple(kernel for name in names for kernel in FAMILIES.get(name, (name,)))
    check(kernels, None)
    return kernels


def check(kernels: Sequence[str], rounds: int | None) -> None:
    """Raises WorkbenchError for a kernel that there is not, and for no round."""
    for name in kernels:
        if name not in KERNELS:
            raise WorkbenchError(f"There is no kernel {name!r} to time; there are {', '.join(KERNELS)}.")
    if rounds is not None and rounds < 1:
        raise WorkbenchError(f"Each row must be timed in at least 1 round, not {rounds}.")


def _planned(threads: Sequence[int], kernels: Sequence[str], quick: bool) -> list[tuple[Case, int]]:
    """Each measurement with its number of threads. A family is loaded only where a kernel of it is wanted."""
    return [
        (case, count)
        for family, known in FAMILIES.items()
        if not set(known).isdisjoint(kernels)
        for count in threads
        for case in import_module(f"benchmarks.{family}").cases()
        if case.kernel in kernels and (case.quick or not quick) and (case.shared or count == threads[0])
    ]


def machine() -> dict[str, Any]:
    """Processor, its vector features as the compiler sees them, and the versions that the figures depend on.

    host, target: the processor that runs and the one that kernels are made for, as LLVM names them. limited: whether
    torch is kept from AVX-512.
    """
    import numba
    import numpy as np
    import torch
    from llvmlite.binding import get_host_cpu_name

    from workbench.kernels.compiler.features import features

    return {
        "processor": processor(),
        "host": get_host_cpu_name(),
        "target": named_processor() or get_host_cpu_name(),
        "limited": limited(),
        "features": sorted(name for name in features() if name in VECTOR),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
