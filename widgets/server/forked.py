"""Kernels as forks of a process that has loaded what they need: begun at once, and that memory is had only once.

Python's own fork server (`multiprocessing.forkserver`) imports `widgets.server.preloaded` and forks. Where it cannot,
kernels are begun as Jupyter begins them, each with an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from importlib.metadata import EntryPoint
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from widgets.server.forked_kernel import NOTEBOOK, run

_NAME = "workbench-forked"
_LAUNCHER = ["-m", "ipykernel_launcher"]


def use_forks(parent: Any, notebook: str | None = None) -> None:
    """Have the kernels of this server begun so, where the system knows how.

    parent: whose configuration is used. notebook: path of the one that the page shows.
    """
    if sys.platform != "linux":  # macOS's own libraries do not survive a fork, Windows has none
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload(["widgets.server.preloaded"])
    os.environ[NOTEBOOK] = str(notebook or "")
    factory = KernelProvisionerFactory.instance(parent=parent)
    entry = EntryPoint(_NAME, f"{__name__}:{ForkedProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME)
    factory.provisioners[_NAME] = entry
    factory.default_provisioner_name = _NAME


class ForkedProvisioner(LocalProvisioner):
    """Forks kernels of this Python; begins others, and all once a fork has failed, as its base does."""

    _failed = False

    async def launch_kernel(self, cmd: list[str], **given: Any) -> Any:
        arguments = _arguments(cmd)
        if arguments is None or ForkedProvisioner._failed:
            return await super().launch_kernel(cmd, **given)
        folder = str(given.get("cwd") or Path.cwd())
        begun = f"kernel {self.kernel_id}", arguments, dict(given.get("env") or os.environ), folder
        try:
            kernel: Any = await asyncio.to_thread(_Forked, *begun)
        except (OSError, EOFError) as error:
            ForkedProvisioner._failed = True
            self.log.warning("Kernels cannot be forked (%s), so each takes longer to begin, and more memory.", error)
            return await super().launch_kernel(cmd, **given)
        self.process, self.pid, self.pgid, self.cwd = kernel, kernel.pid, kernel.pid, Path(folder)
        return self.connection_info


def _arguments(command: list[str]) -> list[str] | None:
    """What ipykernel's launcher is given; None where the command is another, or another Python's."""
    for place in range(1, len(command) - 1):
        if command[place : place + 2] == _LAUNCHER:
            return command[place + 2 :] if command[0] == sys.executable else None
    return None


class _Forked:
    """A forked kernel, as Jupyter uses `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, *given: Any) -> None:
        """Waits until the fork server has loaded everything. Raises OSError or EOFError where that has died."""
        self._process = ForkServerProcess(target=run, args=given, daemon=True)  # ended with this server
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
