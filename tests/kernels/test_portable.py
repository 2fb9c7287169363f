import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("family", ["binary", "lanes", "lowbit", "sparse", "statistics", "vector"])
def test_the_portable_path_passes_the_same_tests(family: str) -> None:
    """A processor without AVX-512."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", str(HERE / family)]
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell"}
    done = subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
