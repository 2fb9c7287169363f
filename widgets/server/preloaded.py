"""What every kernel of a page needs, loaded once: a process that imports this module may be forked into kernels.

The networks that the page's notebook opens have been run, so that what is known of them untouched is known to all.

It draws nothing at random, and it is left with a single thread: a forked process has only the one that forked it, and
waits forever for what another held or was to do. So torch runs on one thread meanwhile, for the threads of OpenMP would
be missed, and whoever keeps another is found out here. Raises RuntimeError then.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from time import process_time

from widgets.server.forked_kernel import NOTEBOOK

_MODULES = (
    "widgets.server.page_kernel",  # before any other that imports ipykernel
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipywidgets",
    "widgets.dashboards.dashboard",
    "widgets.dashboards.stakeholders",
    "workbench.engine.session",
)
_PATIENCE = 2.0  # seconds of a processor, for kernels that are kept compiled on disk and for images, each
_OPENED = re.compile(r"""workbench\.load\(["']([^"']+)["']\)""")
_log = logging.getLogger(__name__)


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
    for network in _opened():
        try:
            _rehearse(network)
        except Exception:  # the page tells whoever opens it
            _log.debug("%s could not be run ahead", network, exc_info=True)
    _end_threads_of_openblas()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("Kernels cannot be forked: some module that they need has begun a thread.")
    give_back()
    gc.collect()
    gc.freeze()  # nobody walks through what is shared from now on, which would copy it
    gc.enable()
    return threads


def _opened() -> Iterator[str]:
    """Names of networks that the notebook loads; none where it cannot be read."""
    try:
        notebook = json.loads(Path(os.environ.get(NOTEBOOK, "")).read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                yield from _OPENED.findall("".join(cell["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return


def _rehearse(network: str) -> None:
    """Have the untouched network's costs, and its answers as far as there is time, remembered."""
    from workbench.accuracy.examiner import Examiner
    from workbench.compression.compressed import compress
    from workbench.engine.assessment import DEFAULT_DEVICE, costs
    from workbench.network.model import load
    from workbench.recipe import Recipe

    untouched = compress(load(network), Recipe())
    costs(untouched, DEFAULT_DEVICE)
    end = process_time() + _PATIENCE
    for _ in Examiner(budget=0).accuracies(untouched):
        if process_time() > end:
            return


def _end_threads_of_openblas() -> None:
    """Which numpy begins on being imported: it ends them before every fork, and begins them when they are needed."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)


try:
    _threads = _load()
except ImportError as error:  # which Python's fork server would pass over
    raise RuntimeError(f"Kernels cannot be forked: {error}") from error
