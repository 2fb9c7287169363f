"""Memory that is kept between batches, and given back."""

import subprocess
import sys

import pytest

from workbench.accuracy.memory import give_back, keep_freed

_RUN = """
import resource, torch
from workbench.accuracy.memory import keep_freed
assert keep_freed()
def work():
    for _ in range(50):
        torch.ones(2_000_000) + 1  # two blocks of 8 MB that come and go
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not keep_freed(), reason="needs glibc")
def test_blocks_that_come_and_go_meet_no_page_faults() -> None:
    """By itself the C library may fetch all of the 200,000 pages again."""
    ran = subprocess.run([sys.executable, "-c", _RUN], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 100


def test_giving_back_is_always_possible() -> None:
    give_back()
