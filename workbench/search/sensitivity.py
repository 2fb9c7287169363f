"""How much a network minds each of its layers being compressed: one layer at a time, measured on validation images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from workbench.compression.compressed import compress
from workbench.errors import RecipeError, resumed
from workbench.method import AXES, METHODS, AxisName, Method
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.search.judge import Change, Judge

# Slider values from mild to harsh, and the order in which they are measured: one that tells layers apart comes first.
STOPS: dict[AxisName, tuple[float, ...]] = {
    "sparsity": (0.5, 0.7, 0.8, 0.9),
    "bits": (5, 4, 3, 2),
    "rank": (0.75, 0.5, 0.35, 0.2),
}
_ORDER = (2, 3, 1, 0)


@dataclass(frozen=True)
class Sensitivity:
    """What became of the score when one layer alone was put at `value` of an axis. images: how many were run."""

    layer: str
    value: float
    change: Change
    images: int


@dataclass(frozen=True)
class Piece:
    """found: a new result, if this piece of the work gave one. share: of all the work that is done, 0..1."""

    found: Sensitivity | None
    share: float


def layers_for(model: Model, method: Method) -> tuple[str, ...]:
    """The layers that a step of `method` for all of them would change, in the order of the network."""
    return tuple(
        layer.name
        for layer in model.layers
        if not (method.refusal(layer.form, model.layout(layer)) or method.exemption(model.layout(layer)))
    )


def sensitivity(
    model: Model,
    axis: AxisName,
    method: str | Method | None = None,
    stops: Sequence[float] | None = None,
    images: int | None = None,
    newest: Callable[[], object] = lambda: None,
) -> Iterator[Piece]:
    """Each layer alone at each of `stops`, a little between two yields; all layers at one stop before the next stop.

    method: what the axis drives, its default one if none is given. stops: four by default, those of `STOPS`. images:
    how many validation images, all by default. The paired difference is taken on the same images, so a layer that is
    left as it came has a change of exactly zero. Li, Kadav, Durdanovic, Samet, Graf, Pruning Filters for Efficient
    ConvNets, 2017, section 3.2 measures layers so. newest: what a move changes; compressing is left then, and begun
    anew. Raises BlankError, DataError and RecipeError.
    """
    chosen = METHODS[method or AXES[axis].method]() if method is None or isinstance(method, str) else method
    driven = chosen.axis()
    if driven is None or driven[1].axis != axis:
        raise RecipeError(f"Method {chosen.name!r} is not driven by the {axis} slider.")
    judge, values = Judge(model, images), tuple(STOPS[axis] if stops is None else stops)
    order = [place for place in _ORDER if place < len(values)] + list(range(len(_ORDER), len(values)))
    names = layers_for(model, chosen)
    todo = [(name, values[place]) for place in order for name in reversed(names)]  # the last layers take least to run
    for done, (name, value) in enumerate(todo):
        share = done / len(todo)
        run = one(judge, axis, chosen, name, value, newest)
        while True:
            try:
                next(run)
            except StopIteration as end:
                yield Piece(end.value, (done + 1) / len(todo))
                break
            yield Piece(None, share)


def one(
    judge: Judge, axis: AxisName, method: Method, layer: str, value: float, newest: Callable[[], object] = lambda: None
) -> Generator[None, None, Sensitivity]:
    """One layer at one value; a batch is run between two yields, or the layer compressed, unless `newest` changes."""
    recipe = Recipe.sliders(methods={axis: method}, overrides={layer: {axis: value}})
    before = yield from judge.original()
    compressed = yield from resumed(
        lambda cancelled: compress(judge.model, recipe, cancelled=cancelled, keep=False), newest
    )
    yield
    scores = yield from judge.scores(compressed)
    return Sensitivity(layer, value, judge.change(scores, before), len(judge))
