import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads import processors, workers
from workbench.kernels.threads.atomic import pause, read, write
from workbench.kernels.threads.shares import limit, split


@jit
def _count(array, start, stop):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        array[i] += 1
    return stop - start


@pytest.mark.parametrize(("count", "threads", "step"), [(0, 2, 1), (1, 2, 1), (1000, 1, 1), (1000, 2, 64), (7, 50, 2)])
def test_every_item_falls_to_one_share(count: int, threads: int, step: int) -> None:
    array = np.zeros(count, np.int64)
    shares = split(_count, count, threads, array, step=step)
    assert (array == 1).all() and sum(shares) == count
    assert len(shares) <= max(1, min(threads, limit(), -(-count // step)))
    assert all(share % step == 0 for share in shares[:-1])


def test_arguments_of_other_types_are_other_functions() -> None:
    for kind in (np.int64, np.float32, np.uint8):
        array = np.zeros(100, kind)
        split(_count, 100, 2, array)
        assert (array == 1).all()


@jit
def _end(array, start, stop):  # type: ignore[no-untyped-def]
    return array[stop - 1]


@jit
def _both(array, start, stop):  # type: ignore[no-untyped-def]
    return array[start], array[stop - 1]


@pytest.mark.parametrize("array", [np.array([1, 255], np.uint8), np.array([-7, -1], np.int32), np.array([0.5, -2.0])])
def test_results_keep_their_type(array: np.ndarray) -> None:
    assert split(_end, 2, 2, array) == array.tolist()


def test_results_of_a_share_are_numbers() -> None:
    with pytest.raises(TypeError, match="returns a number or nothing"):
        split(_both, 2, 2, np.zeros(2))


def _fail(start: int, stop: int) -> None:
    raise ArithmeticError(f"{start}")


@jit
def _fail_at_first(array, start, stop):  # type: ignore[no-untyped-def]
    if start == 0:
        raise ArithmeticError("0 is the first")
    for _ in range(1000):
        for i in range(start, stop):
            array[i] += 1


def test_an_error_reaches_the_caller() -> None:
    for threads in (1, 2):
        with pytest.raises(ArithmeticError, match="0"):
            split(_fail, 10, threads)
    array = np.zeros(10)
    split(_count, 10, 2, array)
    assert (array == 1).all()


def test_an_error_waits_for_the_other_shares() -> None:
    for _ in range(20):
        array = np.zeros(1000)
        with pytest.raises(ArithmeticError, match="0 is the first"):
            split(_fail_at_first, 1000, 2, array)
        assert (array[500:] == 1000).all()


@jit
def _meet(words, long, start, stop):  # type: ignore[no-untyped-def]
    """Whether the other of two shares is being worked on at the same time; the second takes `long` pauses more."""
    mine, other = words.ctypes.data + 8 * start, words.ctypes.data + 8 * (1 - start)
    write(mine, 1)
    waited = 0
    while read(other) == 0 and waited < 10**9:
        waited += 1
        pause()
    for _ in range(long * start):
        pause()
    return read(other) == 1


@pytest.mark.skipif(limit() < 2, reason="there is one thread")
@pytest.mark.parametrize("idle", [0.0, 0.02])
@pytest.mark.parametrize("long", [0, 100_000])
def test_shares_run_at_once_also_after_idle(idle: float, long: int) -> None:
    for _ in range(10):
        time.sleep(idle)
        assert split(_meet, 2, 2, np.zeros(2, np.int64), long) == [True, True]


def test_idle_workers_sleep_and_can_be_stopped() -> None:
    crew = workers.Workers(2)
    crew.start(2)
    threads = list(crew._threads)
    end = time.monotonic() + 30
    while (crew._words[:, 0] != workers._ASLEEP).any() and time.monotonic() < end:
        time.sleep(0.01)
    assert (crew._words[:, 0] == workers._ASLEEP).all()
    crew.start(5)
    assert crew._threads == threads
    crew.stop()
    assert not any(one.is_alive() for one in threads)


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="1 thread or more, not 0"):
        split(_fail, 10, 0)


def test_callers_at_the_same_time() -> None:
    arrays = [np.zeros(5000, np.int64) for _ in range(8)]

    def call(array: np.ndarray) -> None:
        for _ in range(50):
            assert sum(split(_count, array.size, 2, array)) == array.size
            with pytest.raises(ArithmeticError):
                split(_fail_at_first, 4, 2, np.zeros(4))

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
from tests.kernels.threads.test_shares import _count
from workbench.kernels.threads.shares import split
array = np.zeros(100, np.int64)
split(_count, 100, 2, array)
child = os.fork()
split(_count, 100, 2, array)
assert (array == 2).all()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_child_has_its_own_threads() -> None:
    root = Path(__file__).parents[3]
    program = FORKED.format(root=str(root))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=root)


def test_a_limit_is_respected() -> None:
    split = "shares.split(lambda start, stop: 0, 10, 4)"
    program = f"from workbench.kernels.threads import shares; print(len({split}))"
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_a_process_ends_beside_waiting_threads() -> None:
    root = Path(__file__).parents[3]
    program = FORKED.partition("child")[0].format(root=str(root))
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=root)


@pytest.mark.skipif(not processors.KNOWN or limit() < 2, reason="needs Linux and two processors")
def test_a_sleeping_worker_is_woken_on_another_processor() -> None:
    array = np.zeros(10, np.int64)
    split(_count, 10, 2, array)
    workers = [one for one in threading.enumerate() if one.name.startswith("kernel-")]
    time.sleep(0.05)
    split(_count, 10, 2, array)
    allowed = os.sched_getaffinity(0)
    kept = [os.sched_getaffinity(one.native_id) for one in workers if one.native_id]
    assert any(len(allowed - one) == 1 for one in kept)


@pytest.mark.skipif(not processors.KNOWN, reason="needs Linux")
def test_each_mask_leaves_its_own_processor_out() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    masks = np.unpackbits(processors.all_but_one().view(np.uint8), axis=1, bitorder="little")
    for one in allowed:
        assert np.flatnonzero(masks[one]).tolist() == ([other for other in allowed if other != one] or allowed)
