"""Taking one step of a recipe: what its method makes of a state, by the base that it stands on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.cache import Cache, fingerprint
from workbench.calibration.evidence import Calibration
from workbench.compression.ladders import AS_TRAINED, Rung, restored, rung
from workbench.data.split import SplitName
from workbench.errors import RecipeError, still_wanted, wanted_until
from workbench.exporters.packed import write
from workbench.importers.packed import read
from workbench.method import Calibrated, Layerwise, Method, Trained
from workbench.network.encoded import EncodedModel, Note
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.weights.form import Form
from workbench.weights.part import Part

if TYPE_CHECKING:
    from torch import nn

    from workbench.data.datasets import Dataset

Cancelled = Callable[[], bool]
_made: Cache[Form | None] = Cache(ceiling=64 * 2**20)  # None for a form that is left as it is
_read: Cache[State] = Cache(ceiling=256 * 2**20)


@dataclass(frozen=True)
class Result:
    """What a trained step gave. version: tells it from others under the same key.

    facts: what the Store keeps of it. shipped: the rung that it is, where it comes with the workbench.
    """

    path: Path
    version: int | str
    facts: Mapping[str, Any]
    shipped: Rung | None = None

    def read(self, module: nn.Module | None, data: Dataset | None) -> State:
        """What its file holds; see `workbench.importers.packed.read`."""
        found = read(self.path, module, data)
        return found if self.shipped is None else restored(found, self.shipped.bits)

    @property
    def stopped(self) -> bool:
        """Whether its training ended early."""
        return bool(self.facts.get("stopped", False))


@dataclass
class Walk:
    """On the way through a recipe, step by step.

    state: after the steps taken so far. notes: what they had to say. previews: titles of trained methods for which
    another stood in. trained_from: digest of the results of the others, "" where there are none. shipped: titles of
    trained methods whose result comes with the workbench. awaited: title of the step whose network is not there yet, ""
    where none is.
    """

    state: State
    recipe: Recipe
    cancelled: Cancelled
    keep: bool
    store: Store
    taken: int = 0
    notes: list[Note] = field(default_factory=list)
    previews: tuple[str, ...] = ()
    trained_from: str = ""
    shipped: tuple[str, ...] = ()
    awaited: str = ""

    def __post_init__(self) -> None:
        self.source = self.state.model
        self.came = self.source

    def take(self) -> None:
        """Take the next step. Raises RecipeError naming the layer, DataError, and Stopped.

        It is asked whether it is still wanted between two layers, and inside one wherever a method asks.
        """
        step = self.recipe.steps[self.taken]
        unknown = step.named() - {layer.name for layer in self.state.model.layers}
        if self.awaited and unknown:
            names = ", ".join(repr(name) for name in sorted(unknown))
            waits = f"{step.method.title} waits for {self.awaited}, whose network is to have the layers {names}."
            self.notes.append(Note("", waits))
        else:
            step.check(self.state.model)
            with wanted_until(self.cancelled):
                self._take(step.method, step)
        self.taken += 1

    @singledispatchmethod
    def _take(self, method: Method, step: Step) -> None:
        raise TypeError(f"{method.name} stands on no base that can be applied.")

    @_take.register
    def _(self, method: Layerwise, step: Step) -> None:
        methods = self._for(step)
        if self.state.model.blank:
            self._outline(methods)
        else:
            self._formwise(step, methods, lambda chosen, forms, own: cast(Layerwise, chosen).settle(forms))

    @_take.register
    def _(self, method: Calibrated, step: Step) -> None:
        methods = self._for(step)
        evidence = self._evidence()
        self._spared(method, methods, step, evidence)
        decisions = self._formwise(
            step, methods, lambda chosen, forms, own: cast(Calibrated, chosen).settle(forms, evidence, own)
        )
        self.state = self.state.with_rest(method.beside(self.state.model.rest, decisions))
        said = {name: method.said(decision) for name, decision in decisions.items()}
        self.notes += [Note(name, text) for name, text in said.items() if text]

    @_take.register
    def _(self, method: Trained, step: Step) -> None:
        if any(settings is not None for settings in step.overrides.values()):
            raise RecipeError(f"{method.name} trains all its layers together: they cannot have settings of their own.")
        if method.replaces and step.named():
            raise RecipeError(f"{method.name} gives another network: it cannot be for some layers of this one.")
        result = self.result
        if result is not None:
            if not method.replaces:
                self.layers()  # says what was left alone
            known = method.replaces or self.state.model.architecture is not None
            module = None if known else self.state.model.module
            found = _read.get((result.path, result.version), lambda: result.read(module, self.state.model.data))
            self.state = State(found.model, found.forms) if method.replaces else self.state.taking(found)
            self.trained_from = fingerprint(self.trained_from, self.key, result.version)
            if method.replaces:
                self.came = found.model
            if result.shipped is not None:
                self.shipped += (method.title,)
                self.notes.append(Note("", _came(method, result.shipped)))
            if result.stopped:
                self.previews += (f"{method.title} (stopped early)",)
            if all(isinstance(result.facts.get(name), float) for name in ("before", "score", "seconds")):
                self.notes.append(Note("", _gained(method, result.facts)))
            self.notes += [Note("", text) for text in _sentences(result.facts)]
            return
        self.previews += (method.title,)
        stand_in = method.stand_in()
        if method.replaces:
            self.awaited = method.title
        elif stand_in is None:
            self.layers()  # says what is left alone
        else:
            self._take(stand_in, Step(stand_in, step.layers, step.overrides))

    @property
    def digest(self) -> str:
        """Of the model at the beginning and the steps taken so far, and of what the Store gave for them."""
        return _digest(self.source, self.recipe, self.taken, self.trained_from)

    @property
    def key(self) -> str:
        """What the result of the next step is kept under."""
        return _key(self.source, self.recipe, self.taken, self.trained_from)

    @property
    def result(self) -> Result | None:
        """Of the next step, which is a trained one; None where it is yet to be trained."""
        return _result(self.source, self.recipe, self.taken, self.trained_from, self.store)

    def untrained(self) -> State | None:
        """The network that the next step, a trained one, gives until it is trained; None where it gives another."""
        step = self.recipe.steps[self.taken]
        stand_in = cast(Trained, step.method).stand_in()
        if step.method.replaces or stand_in is None:
            return None if step.method.replaces else self.state
        aside = replace(self, notes=[])
        aside.source, aside.came = self.source, self.came
        aside._take(stand_in, Step(stand_in, step.layers, step.overrides))
        return aside.state

    def keep_result(self, state: State, facts: dict[str, Any], method: Trained | None = None) -> None:
        """Put the result of the next step, which is a trained one, into the Store: the key says how it came about.

        method: another one whose result it is in the place of the step's. Until its facts stand beside it, it is taken
        for one that was stopped: an earlier one's are never its own.
        """
        recipe = self.recipe if method is None else self.recipe.with_method(self.taken, method)
        key = _key(self.source, recipe, self.taken, self.trained_from)
        self.store.note(key, {"stopped": True})
        write(EncodedModel(state.model, state.forms), self.store.place(key))
        self.store.note(key, facts)
        self.store.find(key)  # from now on it is in use here
        self.store.make_room()

    def layers(self) -> tuple[str, ...]:
        """The layers that the next step, which is a trained one, is for: none that its stand-in spares."""
        step = self.recipe.steps[self.taken]
        methods, stand_in = self._for(step), cast(Trained, step.method).stand_in()
        spared = self._spared(stand_in, methods, step, self._evidence()) if isinstance(stand_in, Calibrated) else {}
        return tuple(name for name in methods if name not in spared)

    def _spared(
        self, method: Calibrated, methods: Mapping[str, Method], step: Step, evidence: Calibration
    ) -> Mapping[str, str]:
        """The layers that the method spares, and why, which the notes say. Raises RecipeError where one was named."""
        found = method.spared({name: self.state.forms[name] for name in methods}, evidence)
        for name, reason in found.items():
            if name in step.named():
                raise RecipeError(f"{method.name} cannot be applied to layer {name!r}: it {reason}.")
            self.notes.append(Note(name, f"{method.title} left it alone: it {reason}."))
        return found

    def _evidence(self) -> Calibration:
        """Of the network as it stands before the next step."""
        came = State.of(self.came), _digest(self.came, self.recipe, 0, "")
        return Calibration(self.state, self.digest, self.cancelled, came)

    def _for(self, step: Step) -> dict[str, Method]:
        """Layer -> the method with the layer's own settings, in the order of the network."""
        methods: dict[str, Method] = {}
        named = step.named()
        for layer in self.state.model.layers:
            if step.layers is not None and layer.name not in step.layers:
                continue
            method = step.method_for(layer.name)
            if method is None:
                continue
            layout, by_name = self.state.model.layout(layer), layer.name in named
            reason = method.refusal(self.state.forms[layer.name], layout)
            if reason and by_name:
                raise RecipeError(f"{method.name} cannot be applied to layer {layer.name!r}: it {reason}.")
            reason = reason or (None if by_name else method.exemption(layout))
            if not reason and self.state.model.blank and not method.outlines:
                reason = "has no weights here, and what it would become follows from them"
                if by_name:
                    raise RecipeError(f"{method.name} cannot be applied to layer {layer.name!r}: it {reason}.")
            if reason:
                self.notes.append(Note(layer.name, f"{method.title} left it alone: it {reason}."))
            else:
                methods[layer.name] = method
        return methods

    def _ranked(self, step: Step, methods: Mapping[str, Method]) -> tuple[str, ...]:
        """The layers that a global criterion ranks, in the order of the network: those that the step would be for if
        none had settings of its own, so that these move no other layer.

        A training cuts among the layers that it trains, and so does what stands in for it.
        """
        if isinstance(self.recipe.steps[self.taken].method, Trained):
            return tuple(methods)
        return tuple(
            layer.name
            for layer in self.state.model.layers
            if (self._would_be_for(step, layer) if layer.name in step.overrides else layer.name in methods)
        )

    def _would_be_for(self, step: Step, layer: Layer) -> bool:
        layout = self.state.model.layout(layer)
        if step.layers is None:
            return not (step.method.refusal(self.state.forms[layer.name], layout) or step.method.exemption(layout))
        return layer.name in step.layers and not step.method.refusal(self.state.forms[layer.name], layout)

    def _outline(self, methods: Mapping[str, Method]) -> None:
        """What follows from shapes and settings, of a network without weights."""
        self.state = self.state.with_forms(
            {name: cast(Layerwise, method).outline(self.state.forms[name]) for name, method in methods.items()}
        )

    def _formwise(
        self,
        step: Step,
        methods: Mapping[str, Method],
        settle: Callable[[Method, Mapping[str, Form], Collection[str]], dict[str, Hashable]],
    ) -> dict[str, Hashable]:
        """Compress the forms of the step's layers one by one. What was decided for each is returned."""
        forms = self.state.forms
        decisions: dict[str, Hashable] = {}
        if any(name not in step.overrides for name in methods):
            ranked = {name: forms[name] for name in self._ranked(step, methods)}
            found = settle(step.method, ranked, step.overrides.keys())
            decisions = {name: found[name] for name in methods if name not in step.overrides}
        taken = {}
        for name, method in methods.items():
            still_wanted()
            if name in step.overrides:
                decisions[name] = settle(method, {name: forms[name]}, ())[name]
            compress = cast("Layerwise | Calibrated", method).compress
            taken[name] = self._compressed(method, compress, forms[name], decisions[name])
        for name, form in taken.items():
            if form is forms[name]:
                continue
            remark = form.once("remark", lambda: methods[name].remark(forms[name], form))  # noqa: B023 (called at once)
            came = forms[name] is self.state.model.layer(name).form
            remarks = [*([] if came else _undone(step, forms[name], form)), *([remark] if remark else [])]
            self.notes += [Note(name, text) for text in remarks]
        self.state = self.state.with_forms(taken)
        return decisions

    def _compressed(
        self, method: Method, compress: Callable[[Form, Hashable], Form], form: Form, decision: Hashable
    ) -> Form:
        def new() -> Form | None:
            found = compress(form, decision)
            return None if found is form else found.following(form)

        return _made.get((method, decision), new, form, self.keep) or form


def _came(method: Trained, rung: Rung) -> str:
    rounded = "" if rung.bits == AS_TRAINED else f", its weights rounded to {rung.bits} bits"
    return f"{method.title} was not trained here: its result comes with the workbench{rounded}."


def _sentences(noted: Mapping[str, Any]) -> list[str]:
    """What the method said of its training."""
    found = noted.get("notes")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _gained(method: Trained, noted: Mapping[str, Any]) -> str:
    return (
        f"{method.title} brought the score on the validation images from {noted['before']:.2%} to "
        f"{noted['score']:.2%}, in {noted['seconds']:.0f} s."
    )


def trained_from(model: Model, recipe: Recipe, store: Store) -> str:
    """What `Walk.trained_from` would be at the end of a recipe; no step is taken for it."""
    found = ""
    for taken, step in enumerate(recipe.steps):
        if isinstance(step.method, Trained):
            result = _result(model, recipe, taken, found, store)
            if result is not None:
                found = fingerprint(found, _key(model, recipe, taken, found), result.version)
    return found


def _result(model: Model, recipe: Recipe, taken: int, trained_from: str, store: Store) -> Result | None:
    """What the Store has; where it has nothing, what comes with the workbench."""
    key = _key(model, recipe, taken, trained_from)
    path = store.find(key)
    if path is not None:
        return Result(path, path.stat().st_mtime_ns, store.noted(key))
    found = rung(model, recipe.until(taken + 1))
    return None if found is None else Result(found.path, found.digest, {}, found)


def _digest(model: Model, recipe: Recipe, taken: int, trained_from: str) -> str:
    splits: tuple[SplitName, ...] = ("train", "validation", "calibration")
    data = [model.data.split(name).digest for name in splits if model.data and model.data.has(name)]
    return fingerprint(model.digest, data, recipe.until(taken).digest, trained_from)


def _key(model: Model, recipe: Recipe, taken: int, trained_from: str) -> str:
    return fingerprint(_digest(model, recipe, taken, trained_from), recipe.until(taken + 1).digest)


def _undone(step: Step, before: Form, after: Form) -> list[str]:
    """Sentences on what earlier steps made and this one took away."""
    undone = []
    if any(part.levels for part in before.parts) and not any(part.levels for part in after.parts):
        undone.append(f"{step.method.title} dissolved the levels that an earlier step made; quantise after it.")
    kept = len(after.parts) == len(before.parts) and all(map(Part.keeps_zeros_of, after.parts, before.parts))
    if not kept and 2 * _zeros(after) < _zeros(before):
        undone.append(f"{step.method.title} filled in the zeros that an earlier step made; prune after it.")
    return undone


def _zeros(form: Form) -> int:
    return sum(part.size - part.nonzeros for part in form.parts)
