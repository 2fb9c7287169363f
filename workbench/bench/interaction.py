"""`workbench bench interaction`: how soon a move of a slider is answered by the live engine."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

from workbench.bench.kernels import machine
from workbench.model import load
from workbench.models import zoo
from workbench.recipe import Recipe
from workbench.session import Session, Update

MOVES = 10
STAGES = ("costs", "accuracy", "exact")


def run(moves: int = MOVES, progress: Callable[[str], None] = lambda name: None) -> dict[str, Any]:
    """{"machine": {...}, "rows": [...]}: for each network of the zoo, seconds from a move to each of its answers.

    costs: size, operations and energy, exact. accuracy: the first estimate with its interval. exact: all test images.
    Moves sweep the sparsity slider at 4 bits, so that every layer changes at each of them.
    """
    rows = []
    for name in zoo.names():
        progress(name)
        rows.append({"model": name, "moves": moves, **_answers(name, moves)})
    return {"machine": machine(), "rows": rows}


def _answers(name: str, moves: int) -> dict[str, dict[str, float]]:
    session = Session(load(name))
    session.wait()
    taken: dict[str, list[float]] = {stage: [] for stage in STAGES}
    first: dict[str, float] = {}
    start = 0.0

    def answered(update: Update) -> None:
        first.setdefault(update.stage, perf_counter() - start)

    session.observe(answered)
    try:
        for move in range(moves):
            first.clear()
            start = perf_counter()
            session.recipe = Recipe.sliders(sparsity=(move + 1) / (moves + 1), bits=4)
            session.wait()
            for stage in STAGES:
                taken[stage].append(first.get(stage, first["exact"]))
    finally:
        session.close()
    return {
        stage: {"median": statistics.median(found), "p95": sorted(found)[int(0.95 * (len(found) - 1))]}
        for stage, found in taken.items()
    }
