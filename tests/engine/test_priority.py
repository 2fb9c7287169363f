import subprocess
import sys

import pytest

ASKED = """
import os, threading
from workbench.engine.priority import give_way
def lowered():
    give_way()
    print(os.getpriority(os.PRIO_PROCESS, 0))
thread = threading.Thread(target=lowered)
thread.start()
thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux")
@pytest.mark.parametrize(("process", "thread"), [(0, 10), (5, 15), (15, 19)])
def test_a_thread_steps_down_from_where_its_process_is(process: int, thread: int) -> None:
    command = ["nice", "-n", str(process), sys.executable, "-c", ASKED]
    assert subprocess.check_output(command, text=True).split() == [str(thread), str(process)]
