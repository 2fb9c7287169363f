"""What the page says of a training that runs."""

from __future__ import annotations

import math
from typing import Any

from widgets.views import numbers
from widgets.views.recipe import describe
from workbench.engine.listener import Training


def training(running: Training, ending: bool) -> dict[str, Any]:
    """share: of the work, 0..1. figures: loss, score on validation images, time left. ending: whether it was cancelled.

    digest: of the recipe that is trained. boxes: what the method does in turn; box: which of them it is in, "" in none.
    turns: how often it has been round.
    """
    progress = running.progress
    figures = "begins"
    if ending:
        figures = "ends with the best so far"
    elif progress is not None and not math.isnan(progress.loss):
        score = f"validation {100 * progress.score:.2f}{numbers.NBSP}%"
        figures = f"loss {progress.loss:.3g}, {score}, {left(progress.left)}"
    return {
        "title": running.title or "Training",
        "model": running.model,
        "recipe": describe(running.recipe.to_object()),
        "digest": running.recipe.digest,
        "share": progress.share if progress else 0.0,
        "figures": figures,
        "boxes": running.step[1].boxes if running.step else (),
        "box": progress.box if progress and not ending else "",
        "turns": len(running.reached),
    }


def expected(seconds: float) -> str:
    """Of a training that has not begun."""
    return f"Training will take about {_duration(max(seconds, 1))} here."


def left(seconds: float) -> str:
    """Such as "40 s left", "3 min left"."""
    return f"{_duration(seconds)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f}{numbers.NBSP}s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f}{numbers.NBSP}min"
    return f"{seconds / 3600:.1f}{numbers.NBSP}h"
