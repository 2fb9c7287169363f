"""The choices that come with the workbench, found ahead: `python -m workbench.search.shipped` makes them anew.

They belong to one network and one set of validation images, by digest; of any other there are none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.files import replace
from workbench.network.model import Model, load
from workbench.recipe import Recipe
from workbench.search.choices import RULES, Choice, find

FOLDER = Path(__file__).parent / "chosen"
NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist")


def shipped(model: Model) -> tuple[Choice, ...]:
    """Those of `model`; none where they were not found on its very weights and validation images."""
    path = _path(model.name)
    if not path.is_file():
        return ()
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["of"] != _of(model):
        return ()
    rules = {rule.name: rule for rule in RULES}
    return tuple(
        Choice(rules[one["rule"]], Recipe.from_object(one["recipe"]), one["lost"], one["size"])
        for one in content["choices"]
    )


def named(model: Model, progress: Callable[[float], None] = lambda share: None) -> tuple[Choice, ...]:
    """The choices of `model`: those that come with the workbench, else found now. None without validation images."""
    if model.blank or model.data is None or not model.data.has("validation"):
        return ()
    return shipped(model) or find(model, progress)


def write(name: str) -> Path:
    """Find the choices of a network of the zoo and keep them."""
    model = load(name)
    choices = [
        {
            "rule": choice.rule.name,
            "lost": choice.lost,
            "size": choice.size,
            "recipe": choice.recipe.to_object(),
        }
        for choice in find(model)
    ]
    path = _path(name)
    replace(path, [json.dumps({"of": _of(model), "choices": choices}, indent=1).encode() + b"\n"])
    return path


def _of(model: Model) -> dict[str, Any]:
    data = model.data
    validation = data.split("validation").digest if data is not None and data.has("validation") else None
    return {"model": model.digest, "validation": validation}


def _path(name: str) -> Path:
    return FOLDER / f"{name.replace('/', '-')}.json"


if __name__ == "__main__":
    for network in NETWORKS:
        print(write(network))
