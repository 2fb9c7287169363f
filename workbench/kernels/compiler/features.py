"""What the processor that kernels are compiled for can do, as LLVM names it (`avx512f`, `avx512vnni`, ...).

`NUMBA_CPU_NAME` makes kernels as another processor would run them: one of `PROCESSORS`, with what its manufacturer
says it has; any other name has nothing beyond what portable code uses. `NUMBA_CPU_FEATURES` adds to either.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba

_settings: Any = numba.config

# Levels of the x86-64 psABI (section 3.1.1, "Processor Architecture"), as far as kernels ask for them.
_LEVEL_3 = frozenset({"ssse3", "sse4.1", "popcnt", "avx", "avx2", "bmi", "bmi2", "f16c", "fma"})
_LEVEL_4 = _LEVEL_3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_ICE_LAKE = _LEVEL_4 | {"avx512vnni", "avx512vpopcntdq", "avx512bitalg", "avx512vbmi", "avx512vbmi2", "avx512ifma"}
PROCESSORS = {
    "x86-64-v3": _LEVEL_3,
    "haswell": _LEVEL_3,
    "znver3": _LEVEL_3,
    "alderlake": _LEVEL_3 | {"avxvnni"},
    "x86-64-v4": _LEVEL_4,
    "skylake-avx512": _LEVEL_4,
    "icelake-server": _ICE_LAKE,
    "znver4": _ICE_LAKE | {"avx512bf16"},
}


@dataclass(frozen=True)
class RegisterFile:
    """How many vector registers there are, and how many bytes one holds."""

    count: int
    bytes: int

    @property
    def floats(self) -> int:
        """How many float32 one register holds."""
        return self.bytes // 4


def obey_processor_name() -> None:
    """Make Numba compile for the processor named by `NUMBA_CPU_NAME` alone; it would add the features of this one.

    Works only before anything was compiled.
    """
    if _settings.CPU_NAME is not None and _settings.CPU_FEATURES is None:
        _settings.CPU_FEATURES = ""


def named_processor() -> str:
    """The processor that kernels are made for in the place of this one; "" where none is named."""
    return _settings.CPU_NAME or ""


@cache
def features() -> frozenset[str]:
    """Names of the processor's features."""
    if _settings.CPU_FEATURES is not None or _settings.CPU_NAME is not None:
        listed = [one.strip() for one in (_settings.CPU_FEATURES or "").split(",")]
        added = {one.removeprefix("+") for one in listed if one.startswith("+")}
        left_out = {one.removeprefix("-") for one in listed if one.startswith("-")}
        return frozenset(PROCESSORS.get(_settings.CPU_NAME, frozenset()) - left_out | added)
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


@cache
def register_file() -> RegisterFile:
    """The vector registers that a tile of sums has to fit into, beside what it is made from."""
    if wide():
        return RegisterFile(32, 64)
    if has("avx2"):
        return RegisterFile(16, 32)
    return RegisterFile(32 if platform.machine().lower() in ("aarch64", "arm64") else 16, 16)
