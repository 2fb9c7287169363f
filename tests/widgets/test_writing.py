"""One file at a time is written for a page, and what goes wrong is a sentence."""

from collections.abc import Callable
from threading import Event
from time import monotonic, sleep

import pytest

from widgets.dashboards.writing import Writing
from workbench.errors import WorkbenchError

PATIENCE = 30  # seconds


def begin(writing: Writing, write: Callable[[], None]) -> None:
    """Once the one before it has ended."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return writing.begin(write)
        except WorkbenchError:
            assert monotonic() < deadline
            sleep(0.01)


def test_a_second_file_is_refused_until_the_first_is_there():
    go, ended, written = Event(), Event(), []
    writing = Writing(written.append)
    writing.begin(lambda: go.wait(PATIENCE) and written.append("first"))
    with pytest.raises(WorkbenchError, match="being written already"):
        writing.begin(lambda: written.append("second"))
    go.set()
    begin(writing, ended.set)
    assert ended.wait(PATIENCE) and written == ["first"]


@pytest.mark.parametrize(
    ("error", "said"), [(WorkbenchError("No room."), "No room"), (ZeroDivisionError("by nothing"), "ZeroDivisionError")]
)
def test_what_goes_wrong_is_said_and_the_next_one_can_be_written(error, said):
    failures, told = [], Event()

    def write():
        raise error

    writing = Writing(lambda sentence: (failures.append(sentence), told.set()))
    writing.begin(write)
    assert told.wait(PATIENCE) and said in failures[0]
    ended = Event()
    begin(writing, ended.set)
    assert ended.wait(PATIENCE)
