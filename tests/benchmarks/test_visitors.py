"""The benchmark of many visitors drives a real server, and every move of each is answered."""

import pytest

from benchmarks.visitors import run


@pytest.mark.slow
def test_every_move_of_every_visitor_is_answered_and_idle_kernels_are_small() -> None:
    found = run(count=4, moves=5)
    assert (found["moves"], found["errors"]) == (20, [])
    assert 0 < found["costs"]["median"] <= found["costs"]["p95"]
    assert found["idle_kernel"] is None or 100 * 2**20 < found["idle_kernel"] <= 350 * 2**20
