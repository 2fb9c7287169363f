"""Questions are put to the newest move once it was answered; long work gives way to moves and to what came first."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
import torch
from torch import nn

from workbench.engine.looking import Moment
from workbench.engine.session import Session
from workbench.errors import RecipeError, Stopped
from workbench.network.model import Model
from workbench.recipe import Recipe

PATIENCE = 30


@pytest.fixture
def session() -> Iterator[Session]:
    torch.manual_seed(0)
    session = Session(Model.from_module(nn.Linear(6, 3), torch.zeros(1, 6)))
    yield session
    session.close()


class Told:
    """What was answered, in order."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Any, str]] = []
        self.heard = Event()

    def __call__(self, moment: Moment, answer: Any, error: str) -> None:
        self.answers.append((moment.move.recipe.digest, answer, error))
        self.heard.set()


def test_a_question_is_put_to_the_newest_move_once_its_figures_are_known(session: Session) -> None:
    told = Told()
    session.recipe = Recipe.sliders(bits=4)
    session.look("bytes", lambda moment: moment.compressed.size.value, told)
    assert told.heard.wait(PATIENCE)
    session.wait(PATIENCE)
    assert session.report is not None
    assert told.answers == [(session.recipe.digest, session.report.compressed.size.value, "")]


def test_a_question_that_a_newer_move_interrupts_is_put_to_that(session: Session) -> None:
    told, begun, seen = Told(), Event(), []

    def question(moment: Moment) -> str:
        seen.append(moment.move.recipe.digest)
        begun.set()
        while len(seen) == 1:
            if moment.cancelled():
                raise Stopped
        return "answered"

    session.look("slow", question, told)
    assert begun.wait(PATIENCE)
    session.recipe = Recipe.sliders(bits=3)
    assert told.heard.wait(PATIENCE)
    assert told.answers == [(session.recipe.digest, "answered", "")]
    assert seen == [Recipe().digest, session.recipe.digest]


def test_what_goes_wrong_is_a_sentence_and_the_session_goes_on(session: Session) -> None:
    told = Told()

    def refuse(moment: Moment) -> None:
        raise RecipeError("There is no layer 'x'.")

    session.look("wrong", refuse, told)
    session.look("broken", lambda moment: 1 / 0, told)
    session.look("right", lambda moment: 1, told)
    while len(told.answers) < 3:
        assert told.heard.wait(PATIENCE)
        told.heard.clear()
    assert [(answer, error.partition(":")[0]) for _, answer, error in told.answers] == [
        (None, "There is no layer 'x'."), (None, "This could not be shown"), (1, ""),
    ]  # fmt: skip


def test_long_work_is_done_piece_by_piece_and_moves_come_between(session: Session) -> None:
    pieces, answered, ended = [], [], Event()
    session.wait(PATIENCE)
    session.observe(lambda update: answered.append((update.stage, len(pieces))))

    def steps() -> Iterator[int]:
        for piece in range(6):
            if piece == 3:
                session.recipe = Recipe.sliders(bits=2)  # on the worker: it is answered before the next piece
            yield piece

    session.pursue("search", steps(), pieces.append, lambda failure: ended.set())
    assert ended.wait(PATIENCE)
    assert pieces == list(range(6))
    assert ("exact", 4) in answered


def test_what_is_dropped_or_begun_anew_ends_without_a_word(session: Session) -> None:
    ended: list[str] = []
    done = Event()
    forever = iter(int, 1)
    session.pursue("search", forever, lambda piece: None, ended.append)
    session.pursue("search", iter([1, 2]), lambda piece: None, lambda failure: done.set())
    assert done.wait(PATIENCE)
    session.pursue("search", forever, lambda piece: None, ended.append, idle=True)
    session.drop("search")
    session.recipe = Recipe.sliders(bits=2)
    session.wait(PATIENCE)
    assert ended == []


def test_long_work_that_fails_says_why(session: Session) -> None:
    ended, done = [], Event()

    def steps() -> Iterator[int]:
        yield 1
        raise RecipeError("That cannot be searched.")

    session.pursue("search", steps(), lambda piece: None, lambda failure: (ended.append(failure), done.set()))
    assert done.wait(PATIENCE)
    assert ended == ["That cannot be searched."]
