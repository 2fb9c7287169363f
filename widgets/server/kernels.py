"""The dashboard's kernels: one a page, no more than there is room for, gone with the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from traitlets import Int, default

from widgets.server.forked import use_forks

_ARGUMENTS = ["--IPKernelApp.kernel_class=widgets.server.page_kernel.PageKernel", "--HistoryManager.enabled=False"]
_MEMORY = 512 * 2**20  # bytes that a kernel may come to need: 250 MB when its page opens, more when sliders move
_MOST = 32
_AWAY = 60.0  # seconds after which a page to which nobody is connected gives way to another
_RELOADED = 1.0  # seconds within which a page that is loaded anew has asked for the end of its old kernel


class Kernels(AsyncMappingKernelManager):
    """Starts kernels that hold no more than a page needs: no debugger, and no history of what was typed.

    A page that is closed ends its kernel itself. One to which nobody is connected though its page was not closed, as
    that of a machine that sleeps, is kept for as long as nobody else needs the room and half an hour at most; those of
    open pages are left alone, however long nobody moves. A kernel that has died is not started again: it would know
    nothing of its page, which is told at once instead.

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
        use_forks(self.parent, getattr(self.parent, "notebook_path", None))
        self._alone: dict[str, float] = {}  # those found alone -> when first, by the monotonic clock
        self._starting = 0
        self._ending = False
        self._leaving: set[str] = set()
        self._funerals: set[asyncio.Task[None]] = set()  # the loop itself keeps no hold on them
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
        self.add_restart_callback(kernel_id, partial(self._bury, kernel_id), "dead")
        return kernel_id

    def _bury(self, kernel_id: str) -> None:
        """Once its page has been told."""
        self.log.warning("Kernel %s has died.", kernel_id)
        burying = asyncio.ensure_future(self.shutdown_kernel(kernel_id, now=True))
        self._funerals.add(burying)
        burying.add_done_callback(self._funerals.discard)

    async def shutdown_kernel(self, kernel_id: str, *given: Any, **named: Any) -> None:  # type: ignore[override]  # as above
        if kernel_id in self._leaving:  # a page is closed while its kernel is being ended
            return
        self._leaving.add(kernel_id)
        try:
            await super().shutdown_kernel(kernel_id, *given, **named)
        finally:
            self._leaving.discard(kernel_id)

    async def admit(self) -> None:
        """Before a page is opened. Raises HTTPError 503 where there is neither a kernel for it nor room for one.

        Kernels of the pool that have died this moment are ended.
        """
        if self._drop_failed():
            self.fill_if_needed(notebook_name=self.notebook_path)
        for kernel_id in self._waiting():
            if not await self.get_kernel(kernel_id).is_alive():  # type: ignore[misc]  # it does wait
                self.log.warning("Kernel %s, which waited for a page, has died and is replaced.", kernel_id)
                await self.shutdown_kernel(kernel_id, now=True)
        due = time.monotonic() + _RELOADED
        while self._full() and not self._waiting() and (self._leaving or time.monotonic() < due):
            await asyncio.sleep(0.05)
        if self._full() and not self._waiting():
            await self._end_lonely()
        if not self._waiting() and not self._starting:
            self._need_room()

    async def _end_lonely(self) -> None:
        """Of the kernels that have been alone for a while, the one that was first gives way to a page."""
        for kernel_id, since in sorted(self._alone.items(), key=lambda found: found[1]):
            away = kernel_id in self and not self.kernel_model(kernel_id)["connections"]
            if away and time.monotonic() - since >= _AWAY:
                await self.shutdown_kernel(kernel_id, now=True)
                return

    def _waiting(self) -> list[str]:
        """The kernels of the pool that have been started."""
        return [task.result()["kernel_id"] for pool in self._pools.values() for task in pool if task.done()]

    def _full(self) -> bool:
        running = len(self) + self._starting
        return bool(running) and (running >= self.most or psutil.virtual_memory().available < _MEMORY)

    def _need_room(self) -> None:
        if self._ending or self._full():
            raise web.HTTPError(
                503, "As many pages are open as this machine has room for. This one opens as soon as another is closed."
            )

    def remove_kernel(self, kernel_id: str) -> Any:
        """Called when a kernel has ended, in whatever way; then there is room for one that waits."""
        removed = super().remove_kernel(kernel_id)
        if self._pools and not self._ending:
            self.fill_if_needed(notebook_name=self.notebook_path)
        return removed

    async def shutdown_all(self, *given: Any, **named: Any) -> None:  # type: ignore[override]  # as above
        self._ending = True
        while self._starting:  # those have no name yet by which they could be ended
            await asyncio.sleep(0.05)
        await super().shutdown_all(*given, **named)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        self._alone = {one: since for one, since in self._alone.items() if one in self.list_kernel_ids()}
        if self.kernel_model(kernel_id)["connections"] or kernel_id in self._waiting():
            self._alone.pop(kernel_id, None)  # one that waits for a page has not been left by any
        elif kernel_id in self._alone:
            await super().cull_kernel_if_idle(kernel_id)
        else:
            self._alone[kernel_id] = time.monotonic()

    def _drop_failed(self) -> bool:
        """Kernels of the pool that did not start leave their places to others. Whether there were any."""
        failed = [task for pool in self._pools.values() for task in pool if task.done() and _failed(task)]
        for pool in self._pools.values():
            pool[:] = [task for task in pool if task not in failed]
        return bool(failed)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
