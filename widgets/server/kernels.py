"""The dashboard's kernels: one a page, no more than there is room for, gone a few minutes after the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from traitlets import Int, default

_ARGUMENTS = ["--IPKernelApp.kernel_class=widgets.server.page_kernel.PageKernel", "--HistoryManager.enabled=False"]
_MEMORY = 512 * 2**20  # bytes that a kernel may come to need: 250 MB when its page opens, more when sliders move
_MOST = 16


class Kernels(AsyncMappingKernelManager):
    """Starts kernels that hold no more than a page needs: no debugger, and no history of what was typed.

    Ends kernels that no page is connected to, and leaves alone those of open pages, however long nobody moves.
    A kernel taken from Voila's pool may have been idle for hours, so at the moment its page opens it looks abandoned.
    It is ended only if it is found alone twice running, which leaves the page a whole interval to connect.

    Voila derives a class from this one that keeps the pool: kernels in which the notebook has been run ahead. The pool
    is no exception from `most`: where there is no room it stays empty until a kernel ends.
    """

    notebook_path: str
    fill_if_needed: Callable[..., None]

    most = Int(min=1, config=True, help="How many kernels there may be at a time, the one that waits among them.")

    @default("most")
    def _as_many_as_fit(self) -> int:
        return max(1, min(_MOST, psutil.virtual_memory().available // _MEMORY))

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._alone: set[str] = set()
        self._starting = 0
        self._ending = False
        self._dead: set[str] = set()
        self._pools: dict[str, list[asyncio.Task[dict[str, Any]]]] = {}  # notebook -> its kernels, from first to last

    async def start_kernel(self, **given: Any) -> str:  # type: ignore[override]  # annotated as if it did not wait
        """A new kernel's id. Raises HTTPError 503 where there is no room for one."""
        ahead = given.get("env", {}).get("VOILA_PREHEAT") == "True"
        if ahead:  # this runs in the pool's own task
            task = asyncio.current_task()
            assert task is not None
            task.add_done_callback(lambda task: self._drop_failed())
        self._need_room()
        self._starting += 1
        try:
            kernel_id = str(await super().start_kernel(extra_arguments=_ARGUMENTS, **given))
        finally:
            self._starting -= 1
        if ahead:
            self.add_restart_callback(kernel_id, partial(self._dead.add, kernel_id))
        return kernel_id

    async def admit(self) -> None:
        """Before a page is opened. Raises HTTPError 503 where there is neither a kernel for it nor room for one.

        Kernels of the pool that have died are ended; also those started again since, in which no notebook was run.
        """
        if self._drop_failed():
            self.fill_if_needed(notebook_name=self.notebook_path)
        for kernel_id in self._waiting():
            if kernel_id in self._dead or not await self.get_kernel(kernel_id).is_alive():  # type: ignore[misc]  # it does wait
                self.log.warning("Kernel %s, which waited for a page, has died and is replaced.", kernel_id)
                await self.shutdown_kernel(kernel_id, now=True)
        if not self._waiting() and not self._starting:
            self._need_room()

    def _waiting(self) -> list[str]:
        """The kernels of the pool that have been started."""
        return [task.result()["kernel_id"] for pool in self._pools.values() for task in pool if task.done()]

    def _need_room(self) -> None:
        running = len(self) + self._starting
        if self._ending or (running and (running >= self.most or psutil.virtual_memory().available < _MEMORY)):
            raise web.HTTPError(
                503, "As many pages are open as this machine has room for. This one opens as soon as another is closed."
            )

    def remove_kernel(self, kernel_id: str) -> Any:
        """Called when a kernel has ended, in whatever way; then there is room for one that waits."""
        removed = super().remove_kernel(kernel_id)
        self._dead.discard(kernel_id)
        if self._pools and not self._ending:
            self.fill_if_needed(notebook_name=self.notebook_path)
        return removed

    async def shutdown_all(self, *given: Any, **named: Any) -> None:  # type: ignore[override]  # as above
        self._ending = True
        while self._starting:  # those have no name yet by which they could be ended
            await asyncio.sleep(0.05)
        await super().shutdown_all(*given, **named)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        self._alone.intersection_update(self.list_kernel_ids())
        if self.kernel_model(kernel_id)["connections"]:
            self._alone.discard(kernel_id)
        elif kernel_id in self._alone:
            await super().cull_kernel_if_idle(kernel_id)
        else:
            self._alone.add(kernel_id)

    def _drop_failed(self) -> bool:
        """Kernels of the pool that did not start leave their places to others. Whether there were any."""
        failed = [task for pool in self._pools.values() for task in pool if task.done() and _failed(task)]
        for pool in self._pools.values():
            pool[:] = [task for task in pool if task not in failed]
        return bool(failed)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
