"""What a session is told, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.engine.listener import Training
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

Stage = Literal["costs", "accuracy", "exact", "cancelled", "error", "latency", "training"]


@dataclass(frozen=True)
class Update:
    """One message of the engine about one move.

    move: its number. newest: whether no later move had arrived when this was sent. stage: "costs" comes first (size,
    operations and energy are exact, accuracy unknown), then "accuracy" while images are run, then "exact"; or
    "cancelled" with what was known by then, or "error" with a sentence. progress: share of the images run, 0..1.
    Where latency was asked for, "latency" follows, its progress the share of layers whose kernels are ready, and then
    the stage that the move had ended with once more, its report with the latency or `error` with a sentence. While a
    training runs, whatever move it began with, "training" tells what it is at in `training`; the last one has None
    there, and `error` where it failed.
    """

    move: int
    newest: bool
    stage: Stage
    report: Report | None
    progress: float
    error: str | None = None
    training: Training | None = None


@dataclass(frozen=True)
class Move:
    """Where a session was put: its number, counted from 0, and the choices."""

    number: int
    model: Model
    recipe: Recipe
    device: str
