"""After the warm-up a first move calls no compiler; starting it never waits nor fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine import warmup

ROOT = Path(__file__).parents[2]
FIRST_MOVE = """
import gc
from numba.core.dispatcher import Dispatcher
from workbench.engine import warmup
from workbench.compression.compressed import compress
from workbench.network.model import load
from workbench.recipe import Recipe

def compiled():
    found = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    return {(one.py_func.__module__, one.__name__, str(kind)) for one in found for kind in one.overloads
            if one.py_func.__module__.startswith("workbench")}

warmup.warm_up()
before = compiled()
assert before
for name in ("lenet-300-100/mnist", "lenet-5/mnist"):
    model = load(name)
    for choice in ({"bits": 4}, {"sparsity": 0.9}, {"sparsity": 0.5, "bits": 1}, {"rank": 0.5, "sparsity": 0.6}):
        compressed = compress(model, Recipe.sliders(**choice))
        compressed.size
        [part.values for form in compressed.forms.values() for part in form.parts]
new = compiled() - before
assert not new, sorted(new)
"""


def test_a_first_move_compiles_nothing_new() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_MOVE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_starts_once_and_an_error_is_logged_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(warmup, "_started", False)
    monkeypatch.setattr(warmup, "warm_up", broken)
    thread = warmup.start()
    assert thread is not None and thread.daemon
    thread.join(30)
    assert not thread.is_alive()
    assert "the kernels could not be warmed up" in caplog.text
    assert warmup.start() is None
