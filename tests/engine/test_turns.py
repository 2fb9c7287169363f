"""Of several processes, one works at a time; those that somebody waits for go first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.engine import turns
from workbench.engine.turns import Turn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no files in this way")
HOLDER = """
import sys
from workbench.engine.turns import Turn
turn = Turn()
print(turn.take(asked=True), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(turns.VARIABLE, "")
    folder = turns.begin(processors=2)
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_without_a_server_it_is_always_ones_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(turns.VARIABLE, raising=False)
    first, second = Turn(), Turn()
    assert first.take(asked=True) and second.take(asked=False)
    assert not first.others_wait and first.go_on(lambda: True)
    first.pass_on()


def test_a_folder_that_is_gone_is_as_none(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turns.VARIABLE, str(server / "gone"))
    assert Turn().take(asked=True) and Turn().take(asked=True)


@pytest.mark.parametrize(("processors", "count"), [(1, 1), (2, 1), (8, 2), (32, 8)])
def test_processors_are_shared_out(monkeypatch: pytest.MonkeyPatch, processors: int, count: int) -> None:
    monkeypatch.setenv(turns.VARIABLE, "")
    turns.begin(processors)
    waiting = [Turn() for _ in range(count + 1)]
    assert [one.take(asked=True) for one in waiting] == [True] * count + [False]


def test_one_is_passed_on_to_whoever_was_asked(server: Path) -> None:
    first, asked, unasked = Turn(), Turn(), Turn()
    assert first.take(asked=False) and first.take(asked=False)
    assert not unasked.take(asked=False) and not first.others_wait
    assert not asked.take(asked=True) and first.others_wait
    first.pass_on()
    assert not unasked.take(asked=False)
    assert asked.take(asked=True)
    asked.pass_on()
    assert unasked.take(asked=False)


def test_one_that_waits_no_longer_holds_nobody_up(server: Path) -> None:
    first, asked, unasked = Turn(), Turn(), Turn()
    assert first.take(asked=True)
    assert not asked.wait(lambda: True)
    first.pass_on()
    assert unasked.take(asked=False)


def test_whoever_goes_on_lets_those_first_that_have_waited_for_long(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Turn(), Turn()
    assert first.take(asked=True) and not second.take(asked=True)
    assert first.go_on(lambda: True)  # it has just begun
    monkeypatch.setattr(turns, "_SLICE", 0.0)
    monkeypatch.setattr(turns, "sleep", lambda seconds: second.take(asked=True))
    assert not first.go_on(lambda: True)
    assert not first.take(asked=True)


def test_nobody_waits_for_ever(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, asked, unasked = Turn(), Turn(), Turn()
    assert stuck.take(asked=True) and not asked.take(asked=True)
    monkeypatch.setattr(turns, "_PATIENCE", 0.0)
    assert asked.wait(lambda: True) and asked.go_on(lambda: True)
    assert not unasked.take(asked=False)
    asked.pass_on()
    monkeypatch.setattr(turns, "_PATIENCE", 5.0)
    assert not asked.take(asked=True)


def test_the_turn_of_a_process_that_is_killed_is_free(server: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy()
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"True\n"
        turn = Turn()
        assert not turn.take(asked=True)
        holder.kill()
        holder.wait()
        assert turn.take(asked=True)
    finally:
        holder.kill()
        holder.communicate()
