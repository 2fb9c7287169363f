"""docs/networks.md: what the workbench makes of each kind of network. `python -m tests.networks_page` writes it."""

import math
import warnings
from pathlib import Path

import torch

from tests.networks import KINDS, RECIPES, input_of
from workbench.compression.compressed import compress
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

PAGE = Path(__file__).parent.parent / "docs" / "networks.md"
_HEAD = """# Networks of many kinds

Made by `python -m tests.networks_page`; do not edit by hand. Every row is a test (`tests/network/test_kinds.py`): the
multiply-accumulates are those of the kind's closed form, and with each of {recipes} recipes the saved file has the size
that was shown, what is read is what was written, and the simulated network, the packed one and the user's own module
with the decoded weights give the same answers to 1e-4 of the largest. The recipes: {names}.

- *Layers* are weights that can be compressed; *in layers* is their share of the network's numbers.
- *As they came*: layers that no kernel of the workbench multiplies; torch runs them on the decoded weights.
- *Not factored*: layers that the recipe "half rank" leaves alone, each with a sentence that says why.
- *Beside*: tensors of two axes and more that are no layer's. They are kept as they are, and listed in the report.

| kind | multiply-accumulates | layers | in layers | as they came | not factored | beside |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
"""


def model_of(kind: str) -> Model:
    """The network of that kind, from a fixed seed."""
    torch.manual_seed(0)
    return Model.from_module(KINDS[kind].make().eval(), input_of(kind, 4))


def row(kind: str, model: Model) -> str:
    """The line of the page."""
    weights = sum(layer.size for layer in model.layers)
    share = weights / (weights + sum(math.prod(tensor.shape) for tensor in model.rest.values()))
    half_rank = compress(model, Recipe(tuple(Step(method) for method in RECIPES["half rank"])))
    left = sum("left it alone" in note.text for note in half_rank.notes)
    macs = sum(layer.macs for layer in model.layers) + model.other_macs
    cells = (
        kind,
        f"{'at least ' if model.uncounted else ''}{macs:,}",
        f"{len(model.layers)}",
        f"{share:.0%}",
        f"{sum(bool(layer.special) for layer in model.layers)}",
        f"{left}",
        ", ".join(name for name, tensor in model.rest.items() if tensor.ndim > 1),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    head = _HEAD.format(recipes=len(RECIPES), names="; ".join(RECIPES))
    PAGE.write_text(head + "".join(f"{row(kind, model_of(kind))}\n" for kind in KINDS))
