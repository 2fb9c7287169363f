"""Kernels as they are made for a processor without AVX-512, on one that has it: the same tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.kernels.compiler.features import wide

HERE = Path(__file__).parent
FAMILIES = ("binary", "lanes", "lowbit", "sparse", "statistics", "vector")


def passes(*arguments: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *arguments]
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell", "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.skipif(not wide(), reason="without AVX-512 the tests themselves run this path")
def test_the_ends_of_every_kernel_test_pass() -> None:
    passes("-p", "tests.ends", *(str(HERE / family) for family in FAMILIES))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kernel_test_passes(family: str) -> None:
    passes(str(HERE / family))
