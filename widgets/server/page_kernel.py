"""The kernel behind a page of Voila, where nobody types code: without the debugger, 8 MiB in each kernel."""

from __future__ import annotations

import sys
from typing import Any

from ipykernel.ipkernel import IPythonKernel


class PageKernel(IPythonKernel):
    """Named as `kernel_class` by `widgets.server.kernels`; made after this module has been loaded."""


_modules: dict[str, Any] = sys.modules
_modules.setdefault("debugpy", None)  # as if it were not installed, which is the only way that ipykernel does without
