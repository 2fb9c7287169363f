"""The dashboard's kernels: one a page, gone a few minutes after the page."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

_ARGUMENTS = ["--IPKernelApp.kernel_class=widgets.server.page_kernel.PageKernel", "--HistoryManager.enabled=False"]


class Kernels(AsyncMappingKernelManager):
    """Starts kernels that hold no more than a page needs: no debugger, and no history of what was typed.

    Ends kernels that no page is connected to, and leaves alone those of open pages, however long nobody moves.

    A kernel taken from Voila's pool may have been idle for hours, so at the moment its page opens it looks abandoned.
    It is ended only if it is found alone twice running, which leaves the page a whole interval to connect.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._alone: set[str] = set()

    async def start_kernel(self, **given: Any) -> str:  # type: ignore[override]  # annotated as if it did not wait
        return str(await super().start_kernel(extra_arguments=_ARGUMENTS, **given))

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        self._alone.intersection_update(self.list_kernel_ids())
        if self.kernel_model(kernel_id)["connections"]:
            self._alone.discard(kernel_id)
        elif kernel_id in self._alone:
            await super().cull_kernel_if_idle(kernel_id)
        else:
            self._alone.add(kernel_id)
