"""From a model and a recipe to the compressed model, whose every layer has an encoding."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from workbench.cache import Cache
from workbench.costs.size import measure
from workbench.errors import RecipeError, Stopped
from workbench.exporters.packed import write
from workbench.method import Method
from workbench.network.encoded import EncodedModel, Forms, Note
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.report.report import Size
from workbench.weights.form import Form

Cancelled = Callable[[], bool]
_made: Cache[Form | None] = Cache(ceiling=64 * 2**20)  # None for a form that is left as it is


class CompressedModel(EncodedModel):
    """An encoded model that knows its size and can be saved."""

    @cached_property
    def size(self) -> Size:
        """Exact bytes of the file that `save` writes."""
        return measure(self)

    def save(self, path: str | Path) -> Path:
        """Write the packed file (`.cwb`): temporary file, fsync, replace."""
        return write(self, Path(path))


def compress(
    model: Model, recipe: Recipe, *, cancelled: Cancelled = lambda: False, keep: bool = True
) -> CompressedModel:
    """Take the recipe's steps in their order. The model is not changed.

    A layer that meets the same step with the same decisions in the same form again is given the same new form, so that
    what is known of that form need not be found again. keep: whether the forms made now are to be remembered for that;
    those of a recipe that is only looked at need not take the place of others. Raises RecipeError naming the layer,
    where a step cannot be applied to a layer that it names, and Stopped as soon as `cancelled` says so between two
    layers.
    """
    recipe.check(model)
    forms: dict[str, Form] = {layer.name: layer.form for layer in model.layers}
    notes: list[Note] = []
    for step in recipe.steps:
        forms |= _take(model, forms, step, notes, cancelled, keep)
    return CompressedModel(model, recipe, MappingProxyType(forms), tuple(notes))


def _take(
    model: Model, forms: Forms, step: Step, notes: list[Note], cancelled: Cancelled, keep: bool
) -> dict[str, Form]:
    """The new forms of the layers that the step is for; what it has to say of them is added to `notes`."""
    together: dict[str, Form] = {}
    alone: dict[str, Method] = {}
    named = step.named()
    for layer in model.layers:
        if step.layers is not None and layer.name not in step.layers:
            continue
        method = step.method_for(layer.name)
        if method is None:
            continue
        layout, by_name = model.layout(layer), layer.name in named
        reason = method.refusal(forms[layer.name], layout)
        if reason and by_name:
            raise RecipeError(f"{method.name} cannot be applied to layer {layer.name!r}: it {reason}.")
        reason = reason or (None if by_name else method.exemption(layout))
        if reason:
            notes.append(Note(layer.name, f"{method.title} left it alone: it {reason}."))
        elif layer.name in step.overrides:
            alone[layer.name] = method
        else:
            together[layer.name] = forms[layer.name]
    methods = dict.fromkeys(together, step.method) | alone
    decided = step.method.settle(together) if together else {}
    taken = {}
    for name, method in methods.items():
        if cancelled():
            raise Stopped
        form = forms[name]
        decision = decided[name] if name in decided else method.settle({name: form})[name]
        taken[name] = _compressed(method, form, decision, keep)
    notes += [Note(name, text) for name, form in taken.items() for text in _undone(step, forms[name], form)]
    return taken


def _compressed(method: Method, form: Form, decision: Hashable, keep: bool) -> Form:
    def new() -> Form | None:
        found = method.compress(form, decision)
        return None if found is form else found

    return _made.get((method, decision), new, form, keep) or form


def _undone(step: Step, before: Form, after: Form) -> list[str]:
    """Sentences on what earlier steps made and this one took away."""
    undone = []
    if any(part.levels for part in before.parts) and not any(part.levels for part in after.parts):
        undone.append(f"{step.method.title} dissolved the levels that an earlier step made; quantise after it.")
    if after.product != before.product and 2 * _zeros(after) < _zeros(before):
        undone.append(f"{step.method.title} filled in the zeros that an earlier step made; prune after it.")
    return undone


def _zeros(form: Form) -> int:
    return sum(part.size - part.nonzeros for part in form.parts)
