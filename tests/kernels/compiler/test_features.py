"""Kernels as another processor would run them: what `NUMBA_CPU_NAME` names is what they are made for."""

import os
import platform
import subprocess
import sys

import pytest

from workbench.kernels.compiler.features import PROCESSORS

ASKED = """
from workbench.kernels.compiler.features import features, register_file
held = register_file()
print(sorted(features()), held.count, held.bytes)
import numba, numpy as np
import workbench.kernels.compiler.jit  # which makes Numba obey
@numba.njit
def negated(values):
    for i in range(values.size):
        values[i] = -values[i]
negated(np.ones(64, np.float32))
print("zmm" in str(negated.inspect_asm()), "ymm" in str(negated.inspect_asm()))
"""


def told(**settings: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU")} | settings
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="an x86-64 processor is named")
def test_a_processor_of_256_bits_is_made_for_its_sixteen_registers() -> None:
    about, assembly = told(NUMBA_CPU_NAME="haswell")
    assert about.endswith("16 32") and "avx2" in about and "avx512" not in about
    assert assembly == "False True"


def test_an_unknown_processor_has_what_portable_code_uses_and_what_is_listed() -> None:
    assert told(NUMBA_CPU_NAME="nocona")[0].startswith("[] ")
    about = told(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="+avxvnni,-fma")[0]
    assert "'avxvnni'" in about and "'fma'" not in about


def test_levels_of_processors_grow() -> None:
    """As in the x86-64 psABI: each level has all of the one before."""
    assert PROCESSORS["x86-64-v3"] < PROCESSORS["x86-64-v4"] < PROCESSORS["icelake-server"] < PROCESSORS["znver4"]
