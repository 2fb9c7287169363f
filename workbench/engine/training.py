"""Trains what a recipe asks for and puts it into the Store."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch

from workbench.cache import fingerprint
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import CompressedModel, compress
from workbench.compression.steps import Walk
from workbench.data.datasets import Dataset
from workbench.errors import DataError, Stopped
from workbench.method import Progress, Teaching, Trained
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy
from workbench.train.trial import Trial

CATALOGUE = {"TT-04": "the score before and after, and the time, in the report"}


def train(
    model: Model,
    recipe: Recipe,
    store: Store | None = None,
    *,
    progress: Callable[[str, Progress], None] = lambda title, progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> CompressedModel:
    """Train every trained step that `store` (the user's own by default) lacks, in order; the compressed model then.

    Results that come with the workbench count as the store's where that has none (`workbench.compression.ladders`).
    progress: called with the step's title after every epoch. Where `cancelled` says so, the best so far is kept, marked
    as stopped early, and the steps after it stay untrained; nothing is kept where no epoch has ended, or where an
    earlier training that was stopped is at least as good on the validation images. Raises DataError where the model has
    no training images, and RecipeError.
    """
    store = store or Store.default()
    for walk, method in _untrained(model, recipe, store):
        if not cancelled():
            with suppress(Stopped):
                _train(walk, method, progress, cancelled)
    return compress(model, recipe, store=store)


def expected_seconds(
    model: Model, recipe: Recipe, store: Store | None = None, cancelled: Callable[[], bool] = lambda: False
) -> float:
    """About how long `train` will take here, tried out on a few images of each step: 0 where nothing is to be trained.

    A step that comes after an untrained one is tried on what stands in for that. Nothing is kept. Raises DataError,
    RecipeError, and Stopped where `cancelled` says so.
    """
    seconds = 0.0
    for walk, method in _untrained(model, recipe, store or Store.default()):
        given = walk.state.model.entering, _evidence, _teaching(walk, method)
        course = Trial(_data(walk, method), lambda progress: None, cancelled, *given)
        begun = perf_counter()
        for _ in method.train(walk.state, walk.layers(), course):
            if cancelled():
                raise Stopped
        seconds += course.seconds + perf_counter() - begun
    return seconds


def _untrained(model: Model, recipe: Recipe, store: Store) -> Iterator[tuple[Walk, Trained]]:
    """Before each step that is yet to be trained, how far the recipe has been walked; it is taken afterwards."""
    recipe.check(model)
    walk = Walk(State.of(model), recipe, lambda: False, True, store)
    for step in recipe.steps:
        method = step.method
        if isinstance(method, Trained) and ((result := walk.result) is None or result.stopped):
            yield walk, method
        walk.take()


def _data(walk: Walk, method: Trained) -> Dataset:
    data = walk.state.model.data
    if data is None:
        raise DataError(f"{walk.state.model.name} has no data set, so {method.title} has no images to train on.")
    return data


def _teaching(walk: Walk, method: Trained) -> Teaching | None:
    """By the network as it came; one that another takes the place of teaches that itself."""
    if not method.alpha or method.replaces:
        return None
    return Teaching(State.of(walk.source).module(), method.alpha, method.temperature)


def _evidence(state: State) -> Calibration:
    weights = [part.values for form in state.forms.values() for part in form.parts]
    return Calibration(state, fingerprint(state.model.digest, *weights))  # what was cancelled is emptied all the same


def _train(
    walk: Walk, method: Trained, progress: Callable[[str, Progress], None], cancelled: Callable[[], bool]
) -> None:
    data = _data(walk, method)
    walk.store.place(walk.key)  # rather than after the training
    told = Progress(0.0, math.nan, math.nan, math.nan)

    def tell(found: Progress) -> None:
        nonlocal told
        told = replace(found, given=told.given)
        progress(method.title, told)

    def score_of(state: State) -> float:
        return accuracy(state.module(), data.split("validation"), task=data.task, entering=state.model.entering)

    untrained = walk.untrained()
    before = {} if untrained is None else {"before": score_of(untrained)}
    begun = perf_counter()
    course = TrainingCourse(data, tell, cancelled, walk.state.model.entering, _evidence, _teaching(walk, method))
    unfinished: tuple[State, dict[str, Any]] | None = None
    for count, state in enumerate(method.train(walk.state, walk.layers(), course), 1):
        done, score = math.isclose(told.share, 1.0), score_of(state)
        facts = {
            "method": method.name,
            "stopped": not done,  # whatever ends this process now: more may come
            **before,
            "score": score,
            "seconds": perf_counter() - begun,
            "notes": list(course.notes),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        }
        cut_short = cancelled() and not done
        unfinished = None if done else (state, facts)
        if not done and (told.share == 0.0 or (cut_short and not _better(walk, score))):
            continue
        walk.keep_result(state, facts)
        reached = method.reached(count)
        if reached is not None and not cut_short:
            walk.keep_result(state, facts | {"stopped": False}, reached)
            told = replace(told, given=count)
            progress(method.title, told)
    if unfinished is not None and not cancelled():  # the method itself has ended before all that it may do
        walk.keep_result(unfinished[0], unfinished[1] | {"stopped": False})


def _better(walk: Walk, score: float) -> bool:
    """Than what is kept already of a training of the next step. score: on the validation images."""
    known = walk.store.noted(walk.key).get("score")
    return walk.store.find(walk.key) is None or not isinstance(known, float) or score > known
