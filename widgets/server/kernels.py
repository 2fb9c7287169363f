"""The dashboard's kernels: one a page, gone a few minutes after the page."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager


class Kernels(AsyncMappingKernelManager):
    """Ends kernels that no page is connected to, and leaves alone those of open pages, however long nobody moves.

    A kernel taken from Voila's pool may have been idle for hours, so at the moment its page opens it looks abandoned.
    It is ended only if it is found alone twice running, which leaves the page a whole interval to connect.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._alone: set[str] = set()

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        self._alone.intersection_update(self.list_kernel_ids())
        if self.kernel_model(kernel_id)["connections"]:
            self._alone.discard(kernel_id)
        elif kernel_id in self._alone:
            await super().cull_kernel_if_idle(kernel_id)
        else:
            self._alone.add(kernel_id)
