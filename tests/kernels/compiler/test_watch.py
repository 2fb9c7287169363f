"""Whoever watches hears of every kernel that is compiled, and of none that is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from workbench.kernels.compiler import jit, watch
from workbench.kernels.compiler.watch import Compiling

PACKING = """
import json, numpy as np
from workbench.kernels.compiler.watch import observe
told = []
observe(lambda found: told.append([found.kernel, found.ready]))
from workbench.kernels.lowbit import bitpack
bitpack.pack(np.array([1, 2, 3], np.uint8), 2)
print(json.dumps(told))
"""


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes")
def test_what_is_compiled_is_told_and_what_is_loaded_is_not(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    told = []
    for _ in range(2):
        command = [sys.executable, "-c", PACKING]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        told.append(json.loads(done.stdout))
    assert told == [[["lowbit bitpack", 0], [None, 1]], []]


def test_what_a_kernel_calls_is_not_counted() -> None:
    told: list[Compiling] = []
    end = watch.observe(told.append)
    try:
        inner = numba.njit(lambda number: number + 1)
        numba.njit(lambda number: inner(number) * 2)(3)
    finally:
        end()
    numba.njit(lambda number: number - 1)(3)
    assert [one.kernel is None for one in told] == [False, True]
    assert [one.ready - told[0].ready for one in told] == [0, 1]
    assert jit  # which listens to the compiler
