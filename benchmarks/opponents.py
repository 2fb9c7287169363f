"""Opponents as another processor would run them, where kernels are made for one that `NUMBA_CPU_NAME` names."""

from __future__ import annotations

import os
import sys

from workbench.kernels.compiler.features import wide

# What torch, oneDNN and MKL read when they are loaded, each in its own words, to leave AVX-512 alone.
LIMITS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def named_processor() -> str | None:
    """The processor that kernels are made for by name, None where that is this one."""
    return os.environ.get("NUMBA_CPU_NAME") or None


def limit_opponents() -> None:
    """Keep torch and its libraries from AVX-512 where the named processor has none; before torch is loaded.

    Raises RuntimeError afterwards, when it would have no effect.
    """
    if named_processor() is None or wide():
        return
    if "torch" in sys.modules and any(os.environ.get(name) != value for name, value in LIMITS.items()):
        raise RuntimeError("torch was loaded before its instructions were limited")
    os.environ.update(LIMITS)


def limited() -> bool:
    """Whether the opponents are kept from AVX-512."""
    return all(os.environ.get(name) == value for name, value in LIMITS.items())
