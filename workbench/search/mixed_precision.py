"""Bits for each layer: of all ways to fill them in, the one of least harm whose file is small enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.accuracy.order import selection
from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import BlankError, DataError, RecipeError, Stopped
from workbench.method import METHODS, Method
from workbench.models.exits import passing
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.search.sensitivity import layers_for
from workbench.tasks import TASKS

CATALOGUE = {"GU-07": "bits per layer by measured sensitivity, under a size budget"}

WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8)
_BATCH, _TRIES, _HALVINGS = 250, 20, 60


@dataclass(frozen=True)
class Width:
    """What a layer takes and does at so many bits. size: bytes. harm: by how much the loss rises, the layer alone."""

    bits: int
    size: int
    harm: float


@dataclass(frozen=True)
class Mixed:
    """widths: layer -> what it was given. size: bytes of the whole file."""

    recipe: Recipe
    widths: Mapping[str, Width]
    size: int


def fill(choices: Mapping[str, Sequence[Width]], budget: int) -> dict[str, Width]:
    """A width for each layer: of all whose sizes add up to `budget` at most, one of least harm in sum; exact.

    Partial choices are kept layer by layer, those alone that no other beats in both size and harm (dynamic
    programming), and that can still become better than the best choice on the lower convex hull (branch and bound with
    the Lagrangian bound, whose price is found by bisection; Shoham and Gersho 1988). Raises RecipeError where even the
    smallest do not fit.
    """
    layers = list(choices)
    sizes = {name: np.array([one.size for one in choices[name]], np.int64) for name in layers}
    harms = {name: np.array([one.harm for one in choices[name]], np.float64) for name in layers}
    least = sum(int(sizes[name].min()) for name in layers)
    if least > budget:
        raise RecipeError(f"These layers take {least:,} bytes at least, and {budget:,} are left for them.")

    def at(price: float) -> list[int]:
        return [int(np.lexsort((sizes[name], harms[name] + price * sizes[name]))[0]) for name in layers]

    def total(places: Sequence[int], of: Mapping[str, NDArray[np.generic]]) -> float:
        return float(sum(of[name][place] for name, place in zip(layers, places, strict=True)))

    low, high = -15.0, 6.0  # powers of ten of the price of a byte
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if total(at(10**middle), sizes) <= budget else (middle, high)
    price, hull = 10**high, at(10**high)
    best = total(hull, harms) if total(hull, sizes) <= budget else math.inf
    rest_size, rest_cost = least, sum(float((harms[name] + price * sizes[name]).min()) for name in layers)
    taken, harm = np.zeros(1, np.int64), np.zeros(1)
    came: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []  # of each partial choice, the one before and its width
    for name in layers:
        rest_size -= int(sizes[name].min())
        rest_cost -= float((harms[name] + price * sizes[name]).min())
        all_taken, all_harm = (taken[:, None] + sizes[name]).ravel(), (harm[:, None] + harms[name]).ravel()
        bound = all_harm + rest_cost - price * (budget - all_taken)
        fits = (all_taken + rest_size <= budget) & (bound <= best + 1e-9 * (1 + abs(best)) if best < math.inf else True)
        places = np.flatnonzero(fits)
        places = places[np.lexsort((all_harm[places], all_taken[places]))]
        lowest = np.minimum.accumulate(np.concatenate([[math.inf], all_harm[places]]))[:-1]
        places = places[all_harm[places] < lowest]
        came.append((places // sizes[name].size, places % sizes[name].size))
        taken, harm = all_taken[places], all_harm[places]
    place, found = int(harm.argmin()), dict[str, Width]()
    for name, (before, width) in zip(reversed(layers), reversed(came), strict=True):
        found[name] = choices[name][int(width[place])]
        place = int(before[place])
    return {name: found[name] for name in layers}


def measured(
    model: Model,
    method: str | Method = "quantize.uniform",
    widths: Sequence[int] = WIDTHS,
    images: int | None = None,
    *,
    progress: Callable[[float], None] = lambda share: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, tuple[Width, ...]]:
    """Layer -> what it takes and does at each width, all others as they came, on the first validation images.

    Harm is the rise of the mean loss, 0 where it falls; sizes are what the layer takes more than as it came, so less
    than 0. images: how many, all by default. progress: 0..1. Raises BlankError, DataError without validation images,
    RecipeError for a method that the bits slider does not drive, or for no layer, and Stopped.
    """
    running, names = _Measured(model, method, images), layers_for(model, _method(method))
    if not names:
        raise RecipeError(f"{_method(method).title} is for no layer of {model.name}: there are no bits to fill in.")
    original, before = running.loss({}), compress(model, Recipe()).size.by_layer
    choices: dict[str, tuple[Width, ...]] = {}
    for number, name in enumerate(names):
        found = []
        for place, bits in enumerate(widths):
            if cancelled():
                raise Stopped
            alone = rounded(model, method, {name: bits})
            harm = max(running.loss(alone.forms, (name,)) - original, 0.0)
            found.append(Width(bits, int(alone.size.by_layer[name] - before[name]), harm))
            progress((number + (place + 1) / len(widths)) / len(names))
        choices[name] = tuple(found)
    return choices


def mixed_precision(
    model: Model,
    budget: int,
    choices: Mapping[str, tuple[Width, ...]],
    method: str | Method = "quantize.uniform",
) -> Mixed:
    """The recipe that gives each layer its own bits, whose whole file takes `budget` bytes at most.

    choices: as `measured` with the same method gave them; harms are taken to add up. Raises RecipeError where the
    budget cannot be kept.
    """
    left = budget - int(compress(model, Recipe()).size.value)
    for _ in range(_TRIES):  # the header's length depends on the recipe, by some bytes
        filled = fill(choices, left)
        whole = rounded(model, method, {name: width.bits for name, width in filled.items()})
        if whole.size.value <= budget:
            return Mixed(whole.recipe, filled, int(whole.size.value))
        left -= int(whole.size.value) - budget
    raise RecipeError(f"No bits for the layers of {model.name} were found whose file has at most {budget:,} bytes.")


def rounded(model: Model, method: str | Method, bits: Mapping[str, int]) -> CompressedModel:
    """The network with these layers at so many bits each."""
    chosen = _method(method)
    field = _field(chosen)
    step = Step(
        replace(chosen, **{field: max(bits.values())}),
        tuple(bits),
        {name: {field: width} for name, width in bits.items()},
    )
    return compress(model, Recipe((step,)), keep=False)


def _method(method: str | Method) -> Method:
    return METHODS[method]() if isinstance(method, str) else method


def _field(method: Method) -> str:
    """The setting that the bits slider drives. Raises RecipeError where there is none."""
    driven = method.axis()
    if driven is None or driven[1].axis != "bits":
        raise RecipeError(f"Method {method.name!r} is not driven by the bits slider.")
    return driven[0]


class _Measured:
    """Runs a network with some layers rounded on its first validation images."""

    def __init__(self, model: Model, method: str | Method, images: int | None) -> None:
        if model.blank:
            raise BlankError(f"{model.name} has no weights here, so nothing can be measured of it.")
        if model.data is None or not model.data.has("validation"):
            raise DataError(f"{model.name} has no validation images, and nothing is chosen by test images.")
        _field(_method(method))
        split = model.data.split("validation")
        some = selection(split, None if images is None else min(images, len(split)))
        self._images = model.entering(split.inputs(some.order)).split(_BATCH)
        self._truth = split.some(some.order).targets().split(_BATCH)
        self._state, self._task = State.of(model), TASKS[model.data.task]
        self._module = self._state.module()

    def loss(self, forms: Mapping[str, object], names: Sequence[str] = ()) -> float:
        """The mean over images where these layers have those forms."""
        chosen = {name: forms[name] for name in names}
        self._state.fill(self._module, chosen)  # type: ignore[arg-type]
        try:
            with torch.inference_mode(), passing(self._module):
                sums = [
                    float(self._task.loss(self._module(batch), truth)) * len(batch)
                    for batch, truth in zip(self._images, self._truth, strict=True)
                ]
        finally:
            self._state.fill(self._module, {name: self._state.forms[name] for name in names})
        return sum(sums) / sum(len(batch) for batch in self._images)
