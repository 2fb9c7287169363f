import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_the_portable_path_passes_the_same_tests() -> None:
    names = ("test_image_lanes.py", "test_image_pooling.py", "test_stencil.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(HERE / name) for name in names)]
    done = subprocess.run(
        command, env={**os.environ, "NUMBA_CPU_NAME": "haswell"}, cwd=HERE.parents[1], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
