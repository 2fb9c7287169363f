import sys
from pathlib import Path
from threading import Thread

import pytest
import torch

from workbench.accuracy.openmp import end_pool


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads that Linux lists")
def test_the_threads_that_torch_started_for_this_thread_are_gone_and_come_back():
    found, threads = [], torch.get_num_threads()

    def run() -> None:  # on a thread of its own, which has no pool yet
        torch.set_num_threads(3)
        x = torch.rand(1 << 20)
        found.append(_threads())
        total = (x * 2).sum()
        found.append(_threads())
        assert end_pool()
        found.append(_threads())
        assert torch.equal((x * 2).sum(), total)
        found.append(_threads())

    thread = Thread(target=run)
    thread.start()
    thread.join()
    torch.set_num_threads(threads)
    before, used, ended, again = found
    assert used == again == before + 2
    assert ended == before
