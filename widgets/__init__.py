"""The pages: a `workbench.Session` live, and the kernel benchmark. Loaded when first used: servers need none of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dashboards.dashboard import Dashboard
    from widgets.dashboards.kernel_benchmark import KernelBenchmark
    from widgets.dashboards.pieces import (
        Answers,
        Graph,
        Layers,
        Outcome,
        Sliders,
        Speed,
        Steps,
        Strip,
        Tiles,
        TradeOff,
        Trial,
        Weights,
    )
    from widgets.dashboards.progress import Progress
    from widgets.dashboards.stakeholders import Stakeholders
    from widgets.documents.heatmap import Heatmap

__all__ = [
    "Answers",
    "Dashboard",
    "Graph",
    "Heatmap",
    "KernelBenchmark",
    "Layers",
    "Outcome",
    "Progress",
    "Sliders",
    "Speed",
    "Stakeholders",
    "Steps",
    "Strip",
    "Tiles",
    "TradeOff",
    "Trial",
    "Weights",
]
_HOMES = {
    "Dashboard": "dashboards.dashboard",
    "Heatmap": "documents.heatmap",
    "KernelBenchmark": "dashboards.kernel_benchmark",
    "Progress": "dashboards.progress",
    "Stakeholders": "dashboards.stakeholders",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'widgets' has no attribute {name!r}")
    return getattr(import_module(f"widgets.{_HOMES.get(name, 'dashboards.pieces')}"), name)
