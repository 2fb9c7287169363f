"""The thread of a session: what comes first is worked at and interrupts the rest; where nothing is wanted it sleeps."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
import torch
from torch import nn

from workbench.engine import turns
from workbench.engine.bulletin import Bulletin
from workbench.engine.duty import Duty
from workbench.engine.update import Move
from workbench.engine.worker import Worker
from workbench.network.model import Model
from workbench.recipe import Recipe

REST = 0.15


class Held(Duty):
    """Does each piece that it is asked for as soon as `go` is set, and writes down what became of it and when."""

    name = "first"

    def __init__(self, bulletin: Bulletin, log: list[tuple[str, float]]) -> None:
        super().__init__(bulletin)
        self.log, self.left, self.looks = log, 0, 0
        self.begun, self.go = Event(), Event()

    @property
    def wanted(self) -> bool:
        self.looks += 1
        return self.left > 0

    def work(self, interrupted: Callable[[], bool]) -> None:
        self.log.append((f"{self.name} begins", time.monotonic()))
        self.begun.set()
        while not self.go.wait(0.001):
            if interrupted():
                self.log.append((f"{self.name} gives way", time.monotonic()))
                return
        self.left -= 1

    def ask(self, pieces: int) -> None:
        with self._bulletin.changed:
            self.left += pieces
            self._bulletin.changed.notify_all()


class Later(Held):
    name, rest = "second", REST


@pytest.fixture
def duties() -> Iterator[tuple[Held, Later]]:
    bulletin = Bulletin(Move(0, Model.from_module(nn.Linear(2, 2), torch.zeros(1, 2)), Recipe(), "horowitz-45nm"))
    log: list[tuple[str, float]] = []
    first, second = Held(bulletin, log), Later(bulletin, log)
    worker = Worker(bulletin.changed, (first, second), turns.Turn())
    worker.start()
    yield first, second
    worker.close()
    assert not worker.is_alive()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert holds()


def test_what_comes_first_interrupts_the_rest_which_is_taken_up_again(duties: tuple[Held, Later]) -> None:
    first, second = duties
    second.ask(1)
    assert second.begun.wait(30)
    first.go.set()
    first.ask(2)
    until(lambda: first.left == 0)
    second.go.set()
    until(lambda: second.left == 0)
    assert [what for what, _ in first.log] == [
        "second begins", "second gives way", "first begins", "first begins", "second begins",
    ]  # fmt: skip
    assert first.log[-1][1] - first.log[-2][1] >= REST


def test_it_looks_at_its_duties_only_when_something_was_asked_or_has_rested(duties: tuple[Held, Later]) -> None:
    first, second = duties
    time.sleep(REST + 0.05)
    first.go.set()
    first.ask(1)
    until(lambda: first.left == 0)
    second.go.set()
    second.ask(1)  # which rests now
    until(lambda: second.left == 0)
    time.sleep(0.2)
    assert first.looks <= 8 and second.looks <= 8


def test_it_ends_after_the_piece_that_it_is_at(duties: tuple[Held, Later]) -> None:
    first, second = duties
    first.ask(5)  # which is held: the fixture's end interrupts it
    assert first.begun.wait(30)
    second.ask(1)
    assert [what for what, _ in first.log] == ["first begins"]


class Unasked(Held):
    name, takes_turns, yields = "unasked", True, True


def test_what_nobody_asked_for_waits_for_a_turn_and_for_what_others_were_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engine.worker._UNASKED", 0.01)
    for name in ("turn-0", "waiting"):
        (tmp_path / name).touch()
    monkeypatch.setenv(turns.VARIABLE, str(tmp_path))
    busy, asking = turns.Turn(), turns.Turn()
    bulletin = Bulletin(Move(0, Model.from_module(nn.Linear(2, 2), torch.zeros(1, 2)), Recipe(), "horowitz-45nm"))
    log: list[tuple[str, float]] = []
    asked, unasked = Held(bulletin, log), Unasked(bulletin, log)
    worker = Worker(bulletin.changed, (asked, unasked), turns.Turn())
    worker.start()
    try:
        assert busy.take(asked=False)
        asked.go.set()
        unasked.go.set()
        unasked.ask(1)
        asked.ask(1)
        assert asked.begun.wait(10)
        for _ in range(5):  # a look of the worker's at who waits can make one of them go unheard
            assert not asking.take(asked=True)
            time.sleep(turns.LOOKS)
        busy.pass_on()
        time.sleep(0.1)
        assert not unasked.begun.is_set()
        assert asking.take(asked=True)
        asking.pass_on()
        assert unasked.begun.wait(10)
        until(lambda: busy.take(asked=False))
    finally:
        worker.close()
