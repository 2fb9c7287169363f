"""What the processor that kernels are compiled for can do, as LLVM names it (`avx512f`, `avx512vnni`, ...).

`NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` are honoured: a processor named there, other than this one, has the features
listed there and is otherwise taken to have nothing beyond what portable code uses.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba

_settings: Any = numba.config


def obey_processor_name() -> None:
    """Make Numba compile for the processor named by `NUMBA_CPU_NAME` alone; it would add the features of this one.

    Works only before anything was compiled.
    """
    if _settings.CPU_NAME is not None and _settings.CPU_FEATURES is None:
        _settings.CPU_FEATURES = ""


@cache
def features() -> frozenset[str]:
    """Names of the processor's features."""
    if _settings.CPU_FEATURES is not None or _settings.CPU_NAME is not None:
        listed = [one.strip() for one in (_settings.CPU_FEATURES or "").split(",")]
        return frozenset(one.removeprefix("+") for one in listed if one.startswith("+"))
    try:
        found = llvm.get_host_cpu_features()
    except RuntimeError:
        return frozenset()
    return frozenset(
        name for name, there in found.items() if there and (_settings.ENABLE_AVX or not name.startswith("avx"))
    )


def has(*names: str) -> bool:
    """Whether the processor has every feature in `names`."""
    return features().issuperset(names)


def wide() -> bool:
    """Whether vectors of 512 bits, and their permutations of bytes and words, are one instruction."""
    return has("avx512f", "avx512bw", "avx512dq", "avx512vl")
