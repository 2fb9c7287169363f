"""The compression workbench: pick a network, choose sparsity, bit-width and rank, and see what it costs and buys.

Names are loaded when they are first used, so that `import workbench` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.assessment import assess
    from workbench.compressed import CompressedModel, compress
    from workbench.errors import WorkbenchError
    from workbench.export.packed import read
    from workbench.model import Model, load
    from workbench.recipe import Recipe, Step
    from workbench.report import Report
    from workbench.session import Session

__all__ = [
    "CompressedModel",
    "Model",
    "Recipe",
    "Report",
    "Session",
    "Step",
    "WorkbenchError",
    "assess",
    "compress",
    "load",
    "read",
]

_HOMES = {
    "CompressedModel": "workbench.compressed",
    "Model": "workbench.model",
    "Recipe": "workbench.recipe",
    "Report": "workbench.report",
    "Session": "workbench.session",
    "Step": "workbench.recipe",
    "WorkbenchError": "workbench.errors",
    "assess": "workbench.assessment",
    "compress": "workbench.compressed",
    "load": "workbench.model",
    "read": "workbench.export.packed",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
