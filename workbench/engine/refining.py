"""Exact reports of several recipes, in pieces short enough for a worker that must stay ready for moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import thread_time

from workbench.accuracy.examiner import Examiner
from workbench.compression.compressed import compress
from workbench.engine.assessment import costs, with_accuracy
from workbench.errors import RecipeError, resumed
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report


def exact_reports(
    model: Model,
    recipes: Iterable[Recipe],
    device: str,
    images: int | None,
    seconds: float,
    newest: Callable[[], object] = lambda: None,
) -> Iterator[Report | None]:
    """One report a recipe, the same that `assess` gives, None between two pieces.

    seconds: how long the thread that asks may work at them, whatever else the machine does meanwhile. newest: what a
    move changes; compressing is left as soon as that happens, and begun anew at the next piece. A recipe that cannot
    be applied is passed over. Raises DeviceError, DataError.
    """
    examiner, left = Examiner(budget=0), seconds
    pieces = (piece for recipe in recipes for piece in _pieces(examiner, model, recipe, device, images, newest))
    while left > 0:
        begun = thread_time()
        try:
            piece = next(pieces)
        except StopIteration:
            return
        left -= thread_time() - begun
        yield piece


def _pieces(
    examiner: Examiner,
    model: Model,
    recipe: Recipe,
    device: str,
    images: int | None,
    newest: Callable[[], object],
) -> Iterator[Report | None]:
    try:
        compressed = yield from resumed(
            lambda cancelled: compress(model, recipe, cancelled=cancelled, keep=False), newest
        )
    except RecipeError:
        return
    yield None
    report = costs(compressed, device)
    for standing in examiner.accuracies(compressed, images):
        if standing.share == 1.0:
            report = with_accuracy(report, standing)
        else:
            yield None
    yield report
