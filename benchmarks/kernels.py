"""`workbench bench kernels`: every kernel beside what a user would pick instead, in one process, on this machine."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from typing import Any

from benchmarks.measure import Row, at_most
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
KERNELS = tuple(kernel for family in FAMILIES.values() for kernel in family)


def run(
    threads: tuple[int, ...] = (1, 2),
    progress: Callable[[Row], None] = lambda row: None,
    *,
    kernels: Sequence[str] = KERNELS,
    most: int | None = None,
    rounds: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """{"machine": {...}, "rows": [...]}: the rows of `kernels` at each number of threads that the machine has.

    most: end each kernel after so many rows, which takes seconds, not minutes. rounds: time each row in so many rounds
    at most. progress: called with every row as it is measured. What was measured until `cancelled` said so, between two
    rows, is returned. Raises WorkbenchError for a kernel that there is not.
    """
    check(kernels, most, rounds)
    found = []
    counts = [count for count in threads if count <= (os.cpu_count() or 1)]
    with at_most(rounds):
        for row in _rows(counts, kernels, most, cancelled):
            progress(row)
            found.append(row.to_dict())
    return {"machine": machine(), "rows": found}


def named(names: Sequence[str]) -> tuple[str, ...]:
    """The kernels that `names` mean, each a kernel's or a family's. Raises WorkbenchError where one is neither."""
    kernels = tuple(kernel for name in names for kernel in FAMILIES.get(name, (name,)))
    check(kernels, None, None)
    return kernels


def check(kernels: Sequence[str], most: int | None, rounds: int | None) -> None:
    """Raises WorkbenchError for a kernel that there is not, for no row at all, and for no round."""
    for name in kernels:
        if name not in KERNELS:
            raise WorkbenchError(f"There is no kernel {name!r} to time; there are {', '.join(KERNELS)}.")
    if most is not None and most < 1:
        raise WorkbenchError(f"At least 1 row of each kernel must be timed, not {most}.")
    if rounds is not None and rounds < 1:
        raise WorkbenchError(f"Each row must be timed in at least 1 round, not {rounds}.")


def _rows(threads: list[int], kernels: Sequence[str], most: int | None, cancelled: Callable[[], bool]) -> Iterator[Row]:
    """Measuring a row takes seconds, so none is begun after the last one that is wanted."""
    for family, known in FAMILIES.items():
        wanted = [kernel for kernel in known if kernel in kernels]
        for count in threads if wanted else ():
            seen: Counter[str] = Counter()
            with closing(import_module(f"benchmarks.{family}").rows(count)) as rows:
                for row in rows:
                    seen[row.kernel] += 1
                    if row.kernel in wanted and (most is None or seen[row.kernel] <= most):
                        yield row
                    if cancelled():
                        return
                    if most is not None and all(seen[kernel] >= most for kernel in wanted):
                        break


def machine() -> dict[str, Any]:
    """Processor, its vector features as the compiler sees them, and the versions that the figures depend on."""
    import numba
    import numpy as np
    import torch

    from workbench.kernels.compiler.features import features

    return {
        "processor": processor(),
        "features": sorted(name for name in features() if name in VECTOR),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def page(result: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    about = result["machine"]
    lines = [
        "# Kernel benchmark",
        "",
        "Made by `workbench bench kernels --markdown docs/kernels.md`; do not edit by hand.",
        "",
        f"A processor of {about['cores']} cores with {', '.join(about['features'])}; "
        f"torch {about['torch']}, Numba {about['numba']}, NumPy {about['numpy']}, Python {about['python']}.",
        "",
        "Each line is the median of interleaved runs in one process. A ratio is the opponent's time over the kernel's: "
        "above 1 the kernel is faster. The last column is the share of the physical limit, where one is known.",
    ]
    for kernel in dict.fromkeys(row["kernel"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["kernel"] == kernel]
        opponents = list(dict.fromkeys(name for row in rows for name in row["opponents"]))
        lines += [
            "",
            f"## {kernel}",
            "",
            _cells(["case", "threads", "time", *(f"× {one}" for one in opponents), "limit"]),
        ]
        lines.append(_cells(["---"] * (4 + len(opponents))))
        for row in rows:
            ratios = [
                f"{row['opponents'][one] / row['seconds']:.3g}" if one in row["opponents"] else "" for one in opponents
            ]
            share = "" if row["limit_share"] is None else f"{row['limit_share']:.0%}"
            lines.append(_cells([row["case"], str(row["threads"]), _time(row["seconds"]), *ratios, share]))
    return "\n".join(lines) + "\n"


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
