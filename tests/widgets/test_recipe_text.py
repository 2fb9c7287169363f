"""The recipe as text on a page, and taken over from one."""

import json
from collections.abc import Iterator

import pytest

import workbench
from widgets.dashboards.recipe_text import LARGEST, RecipeText


class Page:
    def __init__(self, session: workbench.Session) -> None:
        self.said: list[dict] = []
        self.part = RecipeText(session, lambda content, buffers: self.said.append(content))

    def say(self, kind: str, **content: object) -> dict:
        self.part.hears[kind]({"kind": kind, **content})
        return self.said[-1]


@pytest.fixture
def session(lenet) -> Iterator[workbench.Session]:
    session = workbench.Session(lenet, images=250)
    yield session
    session.close()


def test_what_a_page_is_told_is_the_recipe_of_the_session(session):
    session.recipe = workbench.Recipe.sliders(sparsity=0.5, bits=4)
    told = Page(session).say("recipe")
    assert workbench.Recipe.from_json(told["json"]) == session.recipe
    made: dict = {}
    exec(told["python"], made)
    assert made["recipe"] == session.recipe
    assert told["name"] == "sparsity 50\N{NO-BREAK SPACE}%, 4 bits"


def test_what_was_told_can_be_taken_over(session):
    page = Page(session)
    session.recipe = recipe = workbench.Recipe.sliders(bits=4, overrides={"fc1": {"bits": 3}})
    text = page.say("recipe")["json"]
    session.recipe = workbench.Recipe()
    assert page.say("adopt", text=text) == {"kind": "adopted", "error": ""}
    assert session.recipe == recipe


GOOD = json.loads(workbench.Recipe.sliders(bits=4).to_json())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "taken over as text"),
        (["x"], "taken over as text"),
        ("", "There is no recipe yet"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "must be a JSON object"),
        (json.dumps({**GOOD, "version": 9}), "version 9"),
        (json.dumps({**GOOD, "encodings": {"fc9": "dense"}}), "no layer 'fc9'"),
        (json.dumps(GOOD).replace("4", "99"), "bits must be a number from 1 to 8"),
        (" " * (LARGEST + 1), "so it is no recipe"),
    ],
)
def test_what_is_no_recipe_is_one_sentence_and_moves_nothing(text, sentence, session):
    move = session.update()
    answer = Page(session).say("adopt", text=text)
    assert answer["kind"] == "adopted"
    assert sentence in answer["error"]
    assert "\n" not in answer["error"] and len(answer["error"]) < 500
    assert session.update() == move + 1


def test_a_closed_session_says_so(lenet):
    session = workbench.Session(lenet, images=250)
    session.close()
    assert "closed" in Page(session).say("adopt", text=json.dumps(GOOD))["error"]
