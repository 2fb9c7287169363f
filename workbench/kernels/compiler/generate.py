"""Kernels whose source is written by a program, one function for each bit width, so that every shift is a constant."""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.kernels.compiler.jit import jit

_made: dict[tuple[str, str], Any] = {}
_lock = threading.Lock()


def generated(module: str, name: str, source: Callable[[], str], *, fast_math: bool = False) -> Any:
    """The compiled function `name` out of `source()`, made once; it sees the global names of `module` (its `__name__`).

    One name must always stand for the same source: the name is what the compiled code is kept under.
    """
    with _lock:
        if (module, name) not in _made:
            text = source()
            # No such file is ever written. Its place tells the cache that the function belongs to this package.
            path = str(Path(__file__).parents[1] / "generated" / f"{module.rpartition('.')[2]}.{name}.py")
            linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # for tracebacks
            scope = dict(vars(sys.modules[module]))
            exec(compile(text, path, "exec"), scope)
            _made[module, name] = jit(scope[name], fast_math=fast_math)
        return _made[module, name]
