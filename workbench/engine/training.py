"""Trains what a recipe asks for and puts it into the Store."""

from __future__ import annotations

import platform
from collections.abc import Callable
from math import isclose
from time import perf_counter

import torch

from workbench.cache import fingerprint
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import CompressedModel, compress
from workbench.compression.steps import Walk
from workbench.errors import DataError
from workbench.method import Progress, Trained
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy


def train(
    model: Model,
    recipe: Recipe,
    store: Store | None = None,
    *,
    progress: Callable[[str, Progress], None] = lambda title, progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> CompressedModel:
    """Train every trained step that `store` (the user's own by default) lacks, in order; the compressed model then.

    progress: called with the step's title after every epoch. Where `cancelled` says so, the best so far is kept, marked
    as stopped early, and the steps after it stay untrained; nothing is kept where no epoch has ended, or where an
    earlier training that was stopped is at least as good on the validation images. Raises DataError where the model has
    no training images, and RecipeError.
    """
    recipe.check(model)
    store = store or Store.default()
    walk = Walk(State.of(model), recipe, lambda: False, True, store)
    for step in recipe.steps:
        method = step.method
        untrained = isinstance(method, Trained) and (
            store.find(walk.key) is None or store.noted(walk.key).get("stopped", False)
        )
        if untrained and not cancelled():
            assert isinstance(method, Trained)
            _train(walk, method, progress, cancelled)
        walk.take()
    return compress(model, recipe, store=store)


def _train(
    walk: Walk, method: Trained, progress: Callable[[str, Progress], None], cancelled: Callable[[], bool]
) -> None:
    data = walk.state.model.data
    if data is None:
        raise DataError(f"{walk.state.model.name} has no data set, so {method.title} has no images to train on.")
    walk.store.place(walk.key)  # rather than after the training
    begun, done = perf_counter(), 0.0

    def tell(found: Progress) -> None:
        nonlocal done
        done = found.share
        progress(method.title, found)

    def evidence(state: State) -> Calibration:
        weights = [part.values for form in state.forms.values() for part in form.parts]
        return Calibration(
            state, fingerprint(state.model.digest, *weights)
        )  # what was cancelled is emptied all the same

    course = TrainingCourse(data, tell, cancelled, walk.state.model.entering, evidence)
    for state in method.train(walk.state, walk.layers(), course):
        stopped = cancelled() and not isclose(done, 1.0)
        entering = state.model.entering
        score = accuracy(state.module(), data.split("validation"), task=data.task, entering=entering)
        if stopped and (done == 0.0 or not _better(walk, score)):
            continue
        facts = {
            "method": method.name,
            "stopped": stopped,
            "score": score,
            "seconds": perf_counter() - begun,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        }
        walk.keep_result(state, facts)


def _better(walk: Walk, score: float) -> bool:
    """Than what is kept already of a training of the next step. score: on the validation images."""
    known = walk.store.noted(walk.key).get("score")
    return walk.store.find(walk.key) is None or not isinstance(known, float) or score > known
