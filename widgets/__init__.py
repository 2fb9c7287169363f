"""The pages: a `workbench.Session` live, and the kernel benchmark. Loaded when first used: servers need none of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dashboards.dashboard import Dashboard
    from widgets.dashboards.kernel_benchmark import KernelBenchmark

__all__ = ["Dashboard", "KernelBenchmark"]
_MODULES = {"Dashboard": "dashboard", "KernelBenchmark": "kernel_benchmark"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'widgets' has no attribute {name!r}")
    return getattr(import_module(f"widgets.dashboards.{_MODULES[name]}"), name)
