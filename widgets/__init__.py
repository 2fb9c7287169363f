"""The pages: the dashboard that shows a `workbench.Session`. Loaded when first used, since servers need none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dashboards.dashboard import Dashboard

__all__ = ["Dashboard"]


def __getattr__(name: str) -> Any:
    if name != "Dashboard":
        raise AttributeError(f"module 'widgets' has no attribute {name!r}")
    from widgets.dashboards.dashboard import Dashboard

    return Dashboard
