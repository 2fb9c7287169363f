"""Positions that are worked out ahead while the user looks: those beside the one that a slider was moved to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from time import perf_counter

from workbench.accuracy.examiner import Examiner
from workbench.accuracy.memory import give_back
from workbench.compression.compressed import CompressedModel, compress
from workbench.engine.assessment import costs
from workbench.engine.neighbours import neighbours
from workbench.engine.update import Move
from workbench.network.model import Model
from workbench.report.report import Report

Prepared = dict[tuple[Model, str, str], tuple[CompressedModel, Report]]  # by model, device and digest of the recipe
_MOST = 5.0  # seconds


def prepare(before: Move, now: Move, examiner: Examiner, images: int | None, prepared: Prepared) -> Iterator[None]:
    """A little between two yields; most likely one first.

    What is found is where the next move looks: reports in `prepared`, answers in the examiner's memory.
    """
    end = perf_counter() + _MOST
    runs = []
    for recipe in neighbours(before.recipe, now.recipe) if before.model is now.model else ():
        found = compress(now.model, recipe)
        prepared[now.model, now.device, recipe.digest] = found, costs(found, now.device)
        runs.append(examiner.accuracies(found, images))
        yield
    for run in runs:  # the first images of each position, then the rest
        next(run, None)
        yield
    for _ in chain(*runs):
        if perf_counter() > end:
            break
        yield
    give_back()
