"""Where the interaction benchmark puts a slider, and which change of a page answers which move."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.recipe import Recipe

KINDS = ("sparsity", "bits", "rank", "layer")
FIGURES = ("costs", "accuracy", "exact")
SWEEP = 100  # moves, in which the sparsity slider is dragged over its whole length
LEAST = 2  # moves of a slider whose exact accuracy is waited for, however slow
BUDGET = 3.0  # seconds after which further moves are cancelled when their first accuracy is there
# Where the other sliders stand meanwhile, in per cent and bits: so that every move changes every layer, but one.
BASES: dict[str, dict[str, int]] = {
    "sparsity": {"bits": 4},
    "bits": {"sparsity": 50},
    "rank": {"bits": 8},
    "layer": {"sparsity": 50, "bits": 4},
}
_STEPS = {"sparsity": 100, "bits": 8, "rank": 99, "layer": 100}  # from one end of the slider to the other
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Move:
    """A slider's move on the page. number: the page's own. at: milliseconds, when the browser had its pointer event."""

    number: int
    at: float


@dataclass(frozen=True)
class Change:
    """The page after one of its changes.

    at, painted: milliseconds, when the elements had changed and when the frame that shows them had been painted.
    asked, answered: numbers of the newest move and of the one that the figures answer. costs: of the one that size,
    operations and energy are of, which is newer where the page knew them ahead. stage: as an Update's.
    """

    at: float
    painted: float
    asked: int
    answered: int
    costs: int
    stage: str


def steps(kind: str, moves: int) -> list[int]:
    """At which step from its left end a slider is put, move after move: far and near, none twice, neither end."""
    last = _STEPS[kind] - 1
    found = dict.fromkeys(1 + round(last * math.fmod((move + 1) * _GOLDEN, 1.0)) for move in range(8 * moves))
    return [step for step in found if step <= last][:moves]


def travel(kind: str, step: int) -> float:
    """The share of the track, 0..1 from the left, at which `step` lies."""
    return step / _STEPS[kind]


def recipe(kind: str, step: int, layer: str) -> Recipe:
    """What the page makes of the slider of `kind` at `step`; moves of the kind "layer" set the sparsity of `layer`."""
    sparsity, bits, rank = BASES[kind].get("sparsity", 0) / 100, BASES[kind].get("bits", 32), 1.0
    match kind:
        case "layer":
            return Recipe.sliders(sparsity, bits, rank, overrides={layer: {"sparsity": step / 100}})
        case "sparsity":
            sparsity = step / 100
        case "bits":
            bits = 9 - step
        case "rank":
            rank = (100 - step) / 100
    return Recipe.sliders(sparsity, bits, rank)


def moved_layer(layers: Sequence[str]) -> str:
    """The layer that moves of the kind "layer" set: the first of the last third of the network."""
    return layers[-max(len(layers) // 3, 1)]


def answer_times(moves: Sequence[Move], changes: Sequence[Change], painted: bool = False) -> dict[str, list[float]]:
    """Milliseconds from each move to the first change that shows each of FIGURES for it, or for a newer move.

    changes: in the order of their times. A move that no change answers is left out.
    """
    found: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for move in moves:
        answers = [one for one in changes if one.answered >= move.number]
        firsts = {
            "costs": _first_costs(move, changes),
            "accuracy": next((one for one in answers if one.stage in FIGURES[1:]), None),
            "exact": next((one for one in answers if one.stage in FIGURES[2:]), None),
        }
        for figure, first in firsts.items():
            if first is not None:
                found[figure].append((first.painted if painted else first.at) - move.at)
    return found


def foreseen(moves: Sequence[Move], changes: Sequence[Change]) -> int:
    """For how many of `moves` the page knew size, operations and energy before the kernel had heard of the move."""
    firsts = [(move, _first_costs(move, changes)) for move in moves]
    return sum(first is not None and first.answered < move.number for move, first in firsts)


def _first_costs(move: Move, changes: Sequence[Change]) -> Change | None:
    """The first change that shows size, operations and energy for a move, or for a newer one."""
    shown = (one for one in changes if one.costs > one.answered or one.stage in FIGURES)
    return next((one for one in shown if one.costs >= move.number), None)


def backlog(changes: Sequence[Change]) -> int:
    """The most moves that were without an answer when an answer was drawn."""
    return max((one.asked - one.answered for one in changes), default=0)


def summary(times: Sequence[float]) -> dict[str, Any]:
    """{"median", "p95", "moves"} of `times`; the 95th percentile is the nearest rank. Both are None without times."""
    ordered = sorted(times)
    return {
        "median": statistics.median(ordered) if ordered else None,
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else None,
        "moves": len(ordered),
    }
