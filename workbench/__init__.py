"""The compression workbench: pick a network, choose sparsity, bit-width and rank, and see what it costs and buys.

Names are loaded when they are first used, so that `import workbench` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.compression.compressed import CompressedModel, compress, read
    from workbench.data.datasets import Dataset
    from workbench.engine.assessment import assess
    from workbench.engine.session import Session
    from workbench.errors import WorkbenchError
    from workbench.network.model import Model, load
    from workbench.recipe import Recipe, Step
    from workbench.report.report import Report
    from workbench.search.sweep import grid, sweep

__all__ = [
    "CompressedModel",
    "Dataset",
    "Model",
    "Recipe",
    "Report",
    "Session",
    "Step",
    "WorkbenchError",
    "assess",
    "compress",
    "grid",
    "load",
    "read",
    "sweep",
]

_HOMES = {
    "CompressedModel": "workbench.compression.compressed",
    "Dataset": "workbench.data.datasets",
    "Model": "workbench.network.model",
    "Recipe": "workbench.recipe",
    "Report": "workbench.report.report",
    "Session": "workbench.engine.session",
    "Step": "workbench.recipe",
    "WorkbenchError": "workbench.errors",
    "assess": "workbench.engine.assessment",
    "compress": "workbench.compression.compressed",
    "grid": "workbench.search.sweep",
    "load": "workbench.network.model",
    "read": "workbench.compression.compressed",
    "sweep": "workbench.search.sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
