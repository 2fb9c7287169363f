"""A network with an encoding for each layer: what costs, accuracy, files and running networks are worked out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from workbench.errors import RecipeError, still_wanted
from workbench.method import Trained
from workbench.models import zoo
from workbench.network.calling import Calling
from workbench.network.geometry import Use, uses
from workbench.network.model import Model, load
from workbench.network.packed import Packed, packed
from workbench.network.slimming import simulated_slim
from workbench.network.state import Forms, State
from workbench.network.verdicts import Judge
from workbench.recipe import Recipe
from workbench.weights.choice import cheapest, held, named, planned
from workbench.weights.encoding import Encoding, Plan
from workbench.weights.form import Form
from workbench.weights.part import count_zeros
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from torch import nn


_UNEVEN = "Parts of it are used more often than others: its operations without zeros are those of an average part."
ENTERING = "input."  # what the names of arrays begin with that a file holds of a layer's input


@dataclass(frozen=True)
class Note:
    """A sentence on what a step did or left, and the layer it is about; "" where it is about the network."""

    layer: str
    text: str


@dataclass(frozen=True, eq=False)
class EncodedModel(State):
    """A state after its last step, with an encoding for each layer. `forms` are what the encodings store.

    source: the model that the recipe began with, where that is another one. trained_from: digest of the results that
    the recipe's trained steps took, "" where there was none. previews: titles of trained methods for which another
    stood in. shipped: titles of those whose result comes with the workbench. began: name of the model that the recipe
    began with, of a file that tells of another one; "" for one that is not the shelf's.
    """

    recipe: Recipe = field(default_factory=Recipe)
    step_notes: tuple[Note, ...] = ()
    given: Mapping[str, Encoding] = field(default_factory=dict, repr=False)
    source: Model | None = None
    trained_from: str = ""
    previews: tuple[str, ...] = ()
    shipped: tuple[str, ...] = ()
    began: str | None = None

    @property
    def original(self) -> Model:
        """The model that the recipe began with."""
        return self.source or self.model

    @property
    def original_name(self) -> str:
        """The name of the model that the recipe began with, which a file remembers, too.

        "" where it has the name of one of the shelf's networks and is another, which it is not to be compared with.
        """
        if self.began is not None:
            return self.began
        model = self.original
        if model.shelved or model.name not in zoo.names():
            return model.name
        if model.architecture is None:
            return ""
        return model.name if self.from_file or model.digest == _digest_on_shelf(model.name) else ""

    @cached_property
    def plans(self) -> Mapping[str, tuple[str, Plan]]:
        """Layer -> name of its encoding, and what that stores: the smallest lossless one, or the one the recipe names.

        Raises RecipeError where the one that is named cannot hold the layer.
        """
        if self.given:  # read from a file
            return MappingProxyType({name: (one.name, one.planned()) for name, one in self.given.items()})
        count_zeros([part for form in self.forms.values() for part in form.parts])
        plans = {}
        for name, form in self.forms.items():
            still_wanted()
            plans[name] = self._planned(name, form)
        return MappingProxyType(plans)

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

    @cached_property
    def uses(self) -> Mapping[str, tuple[Use, ...]]:
        """Layer -> what its tensors meet in one inference."""
        return MappingProxyType({layer.name: uses(layer, self.stored[layer.name]) for layer in self.model.layers})

    @cached_property
    def entering(self) -> Mapping[str, tuple[Stored, ...]]:
        """Layer -> the tables of the levels that its input is rounded to, for the layers that round it."""
        levels = {name: form.entering for name, form in self.forms.items() if form.entering is not None}
        return MappingProxyType(
            {
                name: tuple(Stored(f"{ENTERING}{table.name}", table.part, table.data) for table in kind.tables())
                for name, kind in levels.items()
            }
        )

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the steps did or left, and every rank above its break-even."""
        remarks = tuple(Note("", text) for text in self.original.remarks)
        uneven = tuple(Note(layer.name, _UNEVEN) for layer in self.original.layers if layer.uneven)
        awaited, above = _awaited(self.recipe, self.previews), _above_break_even(self.forms)
        return remarks + uneven + awaited + self.step_notes + above

    @property
    def from_file(self) -> bool:
        """Whether it was read from a packed file; `model` then holds the compressed weights only."""
        return bool(self.given)

    @property
    def faithful(self) -> bool:
        """Whether every method was applied as its paper asks; otherwise the result is a preview."""
        return not self.previews and all(step.method.faithful for step in self.recipe.steps)

    def to_torch(self, slim: bool = False) -> nn.Module:
        """A plain torch module with the decoded weights, in eval mode; a factored layer is a Sequential of two.

        slim: whether it is to leave dead channels out, in layers of other shapes than the model's, where its graph
        allows that; see `running`.
        """
        if not slim:
            return Calling.plain(self.module())
        return Calling.plain(simulated_slim(self.model, self.forms).module)

    def packed(self, threads: int | None = None, judge: Judge | None = None) -> nn.Module:
        """A torch module whose layers multiply with the encoded weights, in eval mode and without gradients.

        threads: of each kernel, by default as many as torch uses now. A layer stored as plain float32 values is torch's
        own, as is one whose kernel is slower here than dense torch for one input. That is measured when a network first
        needs it, in milliseconds once the kernel is compiled. judge: another way to tell; `verdicts.unjudged` uses
        every kernel, so that no layer takes more memory than its stored bytes. Dead channels are left out where the
        graph allows it. Raises ModelError for less than one thread.
        """
        return Calling.plain(self.running(threads, judge).module)

    def running(self, threads: int | None = None, judge: Judge | None = None) -> Packed:
        """The packed network, which layers of it became smaller or run dense, and why others keep dead channels."""
        return packed(self.model, self.forms, self.encodings, threads, judge)


@cache
def _digest_on_shelf(name: str) -> str:
    return load(name).digest


def _awaited(recipe: Recipe, previews: tuple[str, ...]) -> tuple[Note, ...]:
    """Of the steps for which nothing stands in, those that have not been trained."""
    alone = [step.method for step in recipe.steps if isinstance(step.method, Trained) and not step.method.stand_in()]
    waiting = [method.title for method in alone if method.title in previews]
    return tuple(Note("", f"{title} has not been trained yet: this is the network before it.") for title in waiting)


def _above_break_even(forms: Forms) -> tuple[Note, ...]:
    return tuple(
        Note(
            name,
            f"Rank {form.rank} is above its break-even of {int(form.break_even)}: "
            "the factors hold more weights than the layer.",
        )
        for name, form in forms.items()
        if form.rank is not None and form.break_even is not None and form.rank > form.break_even
    )
