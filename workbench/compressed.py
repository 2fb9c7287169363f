"""From a model and a recipe to the compressed model, whose every layer has an encoding."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from workbench.cache import Cache
from workbench.encoding import Encoding, Plan
from workbench.encodings.choice import cheapest, held, named, planned
from workbench.errors import RecipeError
from workbench.form import Form
from workbench.method import Method
from workbench.model import Model
from workbench.part import count_zeros
from workbench.recipe import Recipe, Step
from workbench.report import Size

if TYPE_CHECKING:
    from torch import nn

Forms = Mapping[str, Form]
Cancelled = Callable[[], bool]
_made: Cache[Form | None] = Cache(ceiling=64 * 2**20)  # None for a form that is left as it is


class Stopped(Exception):
    """The caller's `cancelled` said so."""


@dataclass(frozen=True)
class Note:
    """A sentence on what a step did or left, and the layer it is about."""

    layer: str
    text: str


@dataclass(frozen=True, eq=False)
class CompressedModel:
    """A model with an encoding for each layer. `forms` are what the encodings store; both are in layer order."""

    model: Model
    recipe: Recipe
    forms: Forms
    step_notes: tuple[Note, ...] = ()
    given: Mapping[str, Encoding] = field(default_factory=dict, repr=False)

    @cached_property
    def plans(self) -> Mapping[str, tuple[str, Plan]]:
        """Layer -> name of its encoding, and what that stores: the smallest lossless one, or the one the recipe names.

        Raises RecipeError where the one that is named cannot hold the layer.
        """
        if self.given:  # read from a file
            return MappingProxyType({name: (one.name, one.planned()) for name, one in self.given.items()})
        count_zeros([part for form in self.forms.values() for part in form.parts])
        return MappingProxyType({name: self._planned(name, form) for name, form in self.forms.items()})

    def _planned(self, name: str, form: Form) -> tuple[str, Plan]:
        wanted = self.recipe.encodings.get(name)
        try:
            return form.once(("plan", wanted), lambda: cheapest(form) if wanted is None else planned(wanted, form))
        except RecipeError as error:
            raise RecipeError(f"Layer {name!r}: {error}") from None

    @cached_property
    def encodings(self) -> Mapping[str, Encoding]:
        """Layer -> encoding, as planned."""
        if self.given:
            return self.given
        wanted = {name: self.recipe.encodings.get(name, encoding) for name, (encoding, _) in self.plans.items()}
        return MappingProxyType({name: named(wanted[name], form) for name, form in self.forms.items()})

    @cached_property
    def stored(self) -> Forms:
        """What the encodings hold, which is what costs are counted on: the same values as `forms`.

        The levels of a layer are gone where plain float32 values are the smallest way to store it, or the chosen one.
        """
        if self.from_file:
            return self.forms
        return MappingProxyType({name: held(self.plans[name][1], form) for name, form in self.forms.items()})

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the steps did or left, and every rank above its break-even."""
        return self.step_notes + _above_break_even(self.forms)

    @property
    def from_file(self) -> bool:
        """Whether it was read from a packed file; `model` then holds the compressed weights only."""
        return bool(self.given)

    @property
    def faithful(self) -> bool:
        """Whether every method was applied as its paper asks; otherwise the result is a preview."""
        return all(step.method.faithful for step in self.recipe.steps)

    @cached_property
    def size(self) -> Size:
        """Exact bytes of the file that `save` writes."""
        from workbench.costs.size import measure

        return measure(self)

    def to_torch(self) -> nn.Module:
        """A plain torch module with the decoded weights, in eval mode; a factored layer is a Sequential of two."""
        from workbench.simulate import simulated

        return simulated(self.model, self.forms)

    def packed(self, threads: int | None = None) -> nn.Module:
        """A torch module whose layers multiply with the encoded weights, in eval mode and without gradients.

        threads: of each kernel, by default as many as torch uses now. A layer stored as plain float32 values is torch's
        own. Raises ModelError for less than one thread.
        """
        from workbench.runtime import packed

        return packed(self.model, self.forms, self.encodings, threads)

    def save(self, path: str | Path) -> Path:
        """Write the packed file (`.cwb`): temporary file, fsync, replace."""
        from workbench.export.packed import write

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


def _above_break_even(forms: Forms) -> tuple[Note, ...]:
    return tuple(
        Note(
            name,
            f"Rank {form.rank} is above its break-even of {int(form.break_even)}: "
            "the two factors hold more weights than the layer.",
        )
        for name, form in forms.items()
        if form.rank is not None and form.break_even is not None and form.rank > form.break_even
    )
