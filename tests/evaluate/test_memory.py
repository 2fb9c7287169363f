"""Memory that is kept between batches, and given back."""

import resource
import subprocess
import sys

import pytest

from workbench.evaluate.memory import give_back, keep_freed

_RUN = """
import resource, sys, torch
from workbench.evaluate.memory import give_back, keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
def work():
    for _ in range(50):
        torch.ones(2_000_000) + 1  # two blocks of 8 MB that come and go
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", _RUN, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(not keep_freed(), reason="needs glibc")
def test_blocks_that_come_and_go_meet_no_page_faults() -> None:
    assert _faults("keep") < 100
    assert resource.getpagesize() * _faults("leave") > 50 * 8_000_000  # what the C library does by itself


def test_giving_back_is_always_possible() -> None:
    give_back()
