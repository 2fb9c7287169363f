"""Calibration images through a network, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from workbench.data.split import Split
from workbench.errors import DataError, ModelError, Stopped, reason
from workbench.network.model import Model
from workbench.network.state import State

BATCH = 100


def batches(state: State, images: Split) -> Iterator[torch.Tensor]:
    """The images as the network takes them, `BATCH` at a time."""
    yield from state.model.entering(images.inputs()).split(BATCH)


@contextmanager
def failing(model: Model, what: str) -> Iterator[None]:
    """What a user's module may fail with inside becomes a ModelError: the network `what`, and why."""
    try:
        yield
    except (DataError, ModelError, Stopped):
        raise
    except Exception as error:  # a user's module may fail in any way
        raise ModelError(f"{model.name} {what}: {reason(error)}.") from error


def asked(cancelled: Callable[[], bool]) -> None:
    """Raises Stopped where the evidence is no longer wanted."""
    if cancelled():
        raise Stopped
