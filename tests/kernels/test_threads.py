import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from workbench.kernels import _threads
from workbench.kernels._jit import jit


@jit
def _count(array, start, stop):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        array[i] += 1
    return stop - start


@pytest.mark.parametrize(("count", "threads", "step"), [(0, 2, 1), (1, 2, 1), (1000, 1, 1), (1000, 2, 64), (7, 50, 2)])
def test_every_item_falls_to_one_share(count: int, threads: int, step: int) -> None:
    array = np.zeros(count, np.int64)
    shares = _threads.split(_count, count, threads, array, step=step)
    assert (array == 1).all() and sum(shares) == count
    assert len(shares) <= max(1, min(threads, _threads.limit(), -(-count // step)))
    assert all(share % step == 0 for share in shares[:-1])


def _fail(start: int, stop: int) -> None:
    raise ArithmeticError(f"{start}")


def test_an_error_reaches_the_caller() -> None:
    for threads in (1, 2):
        with pytest.raises(ArithmeticError, match="0"):
            _threads.split(_fail, 10, threads)
    array = np.zeros(10)
    _threads.split(_count, 10, 2, array)
    assert (array == 1).all()


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="1 thread or more, not 0"):
        _threads.split(_fail, 10, 0)


def test_callers_at_the_same_time() -> None:
    arrays = [np.zeros(5000, np.int64) for _ in range(8)]

    def call(array: np.ndarray) -> None:
        for _ in range(50):
            _threads.split(_count, array.size, 2, array)

    callers = [threading.Thread(target=call, args=(array,)) for array in arrays]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert all((array == 50).all() for array in arrays)


FORKED = """
import os, sys
import numpy as np
sys.path.insert(0, {root!r})
from tests.kernels.test_threads import _count
from workbench.kernels import _threads
array = np.zeros(100, np.int64)
_threads.split(_count, 100, 2, array)
child = os.fork()
_threads.split(_count, 100, 2, array)
assert (array == 2).all()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_child_has_its_own_threads() -> None:
    root = Path(__file__).parents[2]
    program = FORKED.format(root=str(root))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=root)


def test_a_limit_is_respected() -> None:
    program = "from workbench.kernels import _threads; print(len(_threads.split(lambda start, stop: 0, 10, 4)))"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
