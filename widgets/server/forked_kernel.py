"""The process of a forked kernel, from the moment of the fork on."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

NOTEBOOK = "WORKBENCH_NOTEBOOK"  # variable with the path of the page's notebook, for the process that is forked
_NAME = 15  # characters that Linux keeps of a process's name


def run(name: str, arguments: Sequence[str], variables: Mapping[str, str], folder: str) -> None:
    """Be the kernel until it is shut down. name: of the process, as `ps -o comm` shows it.

    arguments: of `ipykernel_launcher`. variables: all of the environment. folder: where it works.
    """
    os.setpgid(0, 0)  # a Ctrl-C in the server's terminal is not for it, and what it begins ends with it
    Path("/proc/self/comm").write_text(name[:_NAME])
    Thread(target=_end_with_the_server, name="kernel-server", daemon=True).start()
    multiprocessing.current_process().daemon = False  # it may have processes of its own
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv[:] = ["ipykernel_launcher", *arguments]
    sys.path[:] = [entry for entry in sys.path if entry]  # ipykernel adds the folder itself
    _part_ways()
    import ipywidgets
    from ipykernel.kernelapp import IPKernelApp

    kernel = IPKernelApp.instance()
    try:
        kernel.initialize([*arguments, "--IPKernelApp.parent_handle=1"])  # it need not watch for its parent's end
        ipywidgets.register_comm_target()  # as it does by itself where it is imported in a kernel
        kernel.start()
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out


def _part_ways() -> None:
    """What forked processes would otherwise have in common, or lack."""
    import numpy as np
    import torch

    from widgets.server.preloaded import torch_threads

    np.random.seed()  # from the system's entropy; Python's own generator is seeded anew at a fork
    torch.seed()
    torch.set_num_threads(torch_threads())


def _end_with_the_server() -> None:
    server = multiprocessing.parent_process()
    assert server is not None
    server.join()
    os._exit(1)
