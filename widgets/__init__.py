"""The pages: a `workbench.Session` live, and the kernel benchmark. Loaded when first used: servers need none of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dashboards.dashboard import Dashboard
    from widgets.dashboards.kernel_benchmark import KernelBenchmark
    from widgets.dashboards.pieces import Latency, Layers, Sliders, Steps, Tiles, TradeOff

__all__ = ["Dashboard", "KernelBenchmark", "Latency", "Layers", "Sliders", "Steps", "Tiles", "TradeOff"]
_HOMES = {"Dashboard": "dashboard", "KernelBenchmark": "kernel_benchmark"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'widgets' has no attribute {name!r}")
    return getattr(import_module(f"widgets.dashboards.{_HOMES.get(name, 'pieces')}"), name)
