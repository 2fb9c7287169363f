"""Memory over ten thousand moves."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import workbench
from workbench.engine.session import Session
from workbench.recipe import Recipe

MOVES = 10_000
SETTLED = 2_000  # moves after which every cache has been full
NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist")


def _resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_over_ten_thousand_moves(record_property: Callable[[str, object], None]) -> None:
    random = np.random.default_rng(0)
    networks = [workbench.load(name) for name in NETWORKS]
    session = Session(networks[0], images=100)
    held = 0
    for number in range(MOVES):
        if number == SETTLED:
            held = _resident()
        if number % 500 == 499:
            session.model = networks[number // 500 % 2]
        own = {"fc1": {"sparsity": round(float(random.random()), 2)}} if random.random() < 0.3 else {}
        session.recipe = Recipe.sliders(
            sparsity=round(float(random.random()), 2),
            bits=int(random.integers(1, 9)),
            rank=round(float(random.choice([1, random.uniform(0.1, 1)])), 2),
            overrides=own,  # type: ignore[arg-type]
        )
        if number % 4:  # else the next move overtakes it
            session.wait(60)
    session.wait(60)
    grown = _resident() / held - 1
    session.close()
    record_property("grown", f"{grown:.1%} of {held / 2**20:.0f} MiB")
    assert grown <= 0.05, f"{grown:.1%} of {held / 2**20:.0f} MiB"
