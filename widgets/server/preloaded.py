"""What every kernel of a page needs, loaded once: a process that imports this module may be forked into kernels.

It knows no page and draws nothing at random, and it is left with a single thread: a forked process has only the one
that forked it, and waits forever for what another held or was to do. So torch runs on one thread meanwhile, for the
threads of OpenMP would be missed, and whoever keeps another is found out here. Raises RuntimeError then.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path

_MODULES = (
    "widgets.server.page_kernel",  # before any other that imports ipykernel
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipywidgets",
    "widgets.dashboards.dashboard",
    "widgets.dashboards.stakeholders",
    "workbench.engine.session",
)
_PATIENCE = 2.0  # seconds for kernels that are kept compiled on disk; compiling them is not waited for


def torch_threads() -> int:
    """How many torch takes unless told otherwise."""
    return _threads


def _load() -> int:
    gc.disable()  # else collecting leaves holes in what will be shared, which each process then fills for itself
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name in _MODULES:
        import_module(name)
    from workbench.accuracy.memory import give_back
    from workbench.engine import warmup

    warmup.ahead(_PATIENCE)
    _end_threads_of_openblas()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("Kernels cannot be forked: some module that they need has begun a thread.")
    give_back()
    gc.collect()
    gc.freeze()  # nobody walks through what is shared from now on, which would copy it
    gc.enable()
    return threads


def _end_threads_of_openblas() -> None:
    """Which numpy begins on being imported: it ends them before every fork, and begins them when they are needed."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)


_threads = _load()
