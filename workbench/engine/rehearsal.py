"""Calling every kernel of a packed network once, so that it is compiled before anybody waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

import torch

from workbench.errors import Stopped
from workbench.network import verdicts
from workbench.network.encoded import EncodedModel

_LOOK_UP = 0.1  # seconds between two looks at how far the compiler is
_log = logging.getLogger(__name__)


def rehearse(compressed: EncodedModel, cancelled: Callable[[], bool], progress: Callable[[float], None]) -> None:
    """Run the packed network once on a thread beside. progress: called with the share of layers whose kernel is ready.

    Raises Stopped within a tenth of a second of `cancelled`, whatever the compiler is at; the thread then ends at its
    next layer. What fails here fails again, and is heard, when the network is run in earnest.
    """
    layers = [layer.name for layer in compressed.model.layers if layer.called]
    begun: set[str] = set()
    over = Event()

    def begin(name: str) -> None:
        if cancelled():
            raise Stopped
        begun.add(name)

    def run() -> None:
        try:
            packed = compressed.packed(judge=verdicts.known)  # measured once they are compiled, when nothing else runs
            for name in layers:
                packed.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: begin(name))
            with torch.inference_mode():
                packed(compressed.model.noise())
        except Exception:
            _log.debug("the packed network was not run to its end", exc_info=True)
        over.set()

    Thread(target=run, name="workbench-compile", daemon=True).start()
    known = -1
    while not over.is_set():
        if known != len(begun):
            known = len(begun)
            progress(known / max(len(layers), 1))
        over.wait(_LOOK_UP)
        if cancelled():
            raise Stopped
    progress(1.0)
