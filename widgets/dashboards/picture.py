"""Answers a page that asks for a picture: each is a module of the folder `pictures` with a function `picture`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from widgets.controls.settings import LARGEST_NUMBER, shown
from widgets.dashboards.part import Hear, Part
from workbench.engine.looking import Moment
from workbench.errors import RecipeError

_FIELDS = {"kind", "name", "number", "question"}


@dataclass(frozen=True)
class Picture:
    """content: finished text and shares, as JSON. buffers: bytes that it speaks of, such as the pixels of images."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


Draw = Callable[[Mapping[str, Any], Moment], Picture]


class Pictures(Part):
    """Hears {"kind": "picture", "name", "number", "question"} and says {"kind", "name", "number", "content", "error"}.

    content is None where error is a sentence. number: the page's, by which it knows what was answered.

    Worked out on the session's worker once the newest move has been answered; of one name only the last is answered.
    """

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"picture": self._asked}

    def _asked(self, content: Mapping[str, Any]) -> None:
        name, number, question = content.get("name"), content.get("number"), content.get("question")
        if set(content) != _FIELDS or not isinstance(name, str) or name not in names():
            raise RecipeError(f"There is no picture {shown(name)}; there are {', '.join(names())}.")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= LARGEST_NUMBER:
            raise RecipeError(f"The number of a picture must be a whole number, not {shown(number)}.")
        if not isinstance(question, dict):
            raise RecipeError(f"The question of the picture {name!r} must be an object.")

        def tell(moment: Moment, found: Picture | None, error: str) -> None:
            answer = {"kind": "picture", "name": name, "number": number, "error": error}
            self._send({**answer, "content": found and found.content}, list(found.buffers) if found else [])

        # Two pages of one session may look at different things.
        self._session.look(f"{name} {id(self)}", lambda moment: drawer(name)(question, moment), tell)


@cache
def names() -> tuple[str, ...]:
    """Of all pictures that there are."""
    files = (Path(__file__).parent / "pictures").glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem != "__init__"))


def drawer(name: str) -> Draw:
    """The function that draws one; loaded when it is first asked for. question: as it came from the page."""
    draw: Draw = import_module(f"widgets.dashboards.pictures.{name}").picture
    return draw
