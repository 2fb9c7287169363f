"""Three small tasks for a first visit, each ticked off by the figures themselves."""

from __future__ import annotations

from typing import Any

from workbench.report.report import Report

_SMALLER = 10  # times
_POINTS = 0.01  # share of right answers that may be lost


def challenges(report: Report) -> list[dict[str, Any]]:
    """[{"text", "done"}]: whether this report's figures do what each asks."""
    was, now = report.original, report.compressed
    small = was is not None and now.size.value * _SMALLER <= was.size.value
    before, after = was and was.accuracy, now.accuracy
    kept = bool(before and after and after.exact and after.value >= before.value - _POINTS)
    own = any(step.get("overrides") for step in report.recipe["steps"])
    return [
        {"text": f"Make the file {_SMALLER} times smaller.", "done": small},
        {"text": "Do so and lose less than one point of accuracy.", "done": small and kept},
        {"text": "Give one layer a value of its own.", "done": own},
    ]
