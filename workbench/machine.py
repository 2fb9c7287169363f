"""What a figure was made on: the processor's name, and versions of what computes."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("compression-workbench", "torch", "numpy", "numba")


def processor() -> str:
    """As the system calls it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Name -> version, of Python and of the packages that figures depend on."""
    return {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
