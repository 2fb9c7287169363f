"""Ladders: results of trainings that come with the workbench, a rung for each share that goes.

They belong to one network and its training, validation and calibration images, by digest; of any other there are none.
Each is a packed file of what the training gave, its weights rounded to few bits; biases and batch norms are as they
were trained. Its scores are those of the rounded weights. `python -m workbench.engine.ladders` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from workbench.data.split import SplitName
from workbench.method import Trained
from workbench.models import zoo
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe

FOLDER = Path(zoo.__file__).parent / "ladders"
INDEX = "index.json"
AS_TRAINED = 32
SPLITS: tuple[SplitName, ...] = ("train", "validation", "calibration")  # that a training hangs on


@dataclass(frozen=True)
class Rung:
    """One result. recipe: its last step is the one that was trained, and the only one of its kind.

    path: the packed file, of so many bytes (`size`) and this SHA-256 (`digest`). bits: of a weight in it: 8 on a grid
    with a scale for each output channel, 16 in half precision, `AS_TRAINED` in float32 or on its method's levels.
    unrounded: the score on validation images as it was trained, 0..1. validation, test: that on these images as it is
    shipped. log: the JSON file with the course of the training, which took so many minutes on one thread.
    """

    recipe: Recipe
    path: Path
    digest: str
    size: int
    bits: int
    seed: int
    unrounded: float
    validation: float
    test: float
    minutes: float
    log: Path

    @property
    def method(self) -> Trained:
        """The one that was trained."""
        return cast(Trained, self.recipe.steps[-1].method)

    @property
    def cut(self) -> Recipe | None:
        """The same without training; None where nothing is cut then."""
        last, stand_in = len(self.recipe.steps) - 1, self.method.stand_in()
        if stand_in is not None:
            return self.recipe.with_method(last, stand_in)
        return self.recipe.until(last) if last else None

    @property
    def beside(self) -> tuple[Recipe, ...]:
        """The recipe, and the cut where there is one: what is to be seen beside each other."""
        return (self.recipe,) if self.cut is None else (self.recipe, self.cut)


def ladder(model: Model) -> tuple[Rung, ...]:
    """What is shipped of `model`; nothing where it was not trained from these very weights, on these very images."""
    return tuple(_shipped(model).values())


def rung(model: Model, recipe: Recipe) -> Rung | None:
    """What the last step of `recipe`, a trained one, gives, where that is shipped."""
    return _shipped(model).get(recipe.digest)


def restored(stored: State, bits: int) -> State:
    """What the file of a rung with so many bits holds, as any training gives it.

    Rounded weights are float32 values, without the levels that make the file small; others are as they were trained.
    """
    if bits == AS_TRAINED:
        return stored
    forms = {name: form.with_parts([part.dissolved for part in form.parts]) for name, form in stored.forms.items()}
    return State(stored.model, MappingProxyType(forms))


def folder(name: str) -> Path:
    """Where the rungs of a network of the zoo lie, with their logs and `INDEX`."""
    return FOLDER / name.replace("/", "-")


def of(model: Model) -> dict[str, str]:
    """Digests of all that a result of `model` hangs on beside the recipe."""
    data = model.data
    found = {"model": model.digest}
    for name in SPLITS:
        if data is not None and data.has(name):
            found[name] = data.split(name).digest
    return found


def _shipped(model: Model) -> Mapping[str, Rung]:
    if model.blank or not (folder(model.name) / INDEX).is_file():
        return {}
    made_of, rungs = _index(folder(model.name))
    return rungs if made_of == of(model) else {}


@cache
def _index(folder: Path) -> tuple[Any, Mapping[str, Rung]]:
    """What the rungs of a folder were made of, and each by its recipe's digest, as settings are today."""
    content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    rungs = [
        Rung(
            Recipe.from_object(one["recipe"]),
            folder / one["file"],
            one["digest"],
            one["size"],
            one["bits"],
            one["seed"],
            one["unrounded"],
            one["validation"],
            one["test"],
            one["minutes"],
            folder / one["log"],
        )
        for one in content["rungs"]
    ]
    return content["of"], {one.recipe.digest: one for one in rungs}
