"""How long a training will take, tried out on a few images of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from torch import nn

from workbench.network.state import State
from workbench.train.course import TrainingCourse

T = TypeVar("T")
_IMAGES = 256  # two batches
_BACKWARD = 2  # passes over the network that one backward takes
_ROUNDS = 2


class Trial(TrainingCourse):
    """A course on which whatever is to be trained is trained on a few images only, with all that belongs to a step.

    seconds: that the same would take on all images, in the process that asks.
    """

    seconds = 0.0

    def score(self, network: State | nn.Module) -> float:
        """The best there is: what few images have taught must not end what is tried."""
        super().score(network)
        return 1.0

    def enter(self, box: str) -> None:
        """Nobody follows."""

    def fit(self, module: nn.Module, *, epochs: int, images: int | None = None, **given: Any) -> None:
        """Its second epoch on few images is timed: in the first one much is met for the first time."""
        train, validation = self._train, self._validation
        count = min(len(train) if images is None else images, len(train))
        few, judged = (split.some(np.arange(min(_IMAGES, len(split)))) for split in (train, validation))
        self._train, self._validation = few, judged
        begun: list[float] = []
        tell, self._progress = self._progress, lambda progress: begun.append(perf_counter())
        try:
            super().fit(module, epochs=2, **given)
        finally:
            self._train, self._validation, self._progress = train, validation, tell
        if len(begun) == 2:  # and not cancelled
            tried = (1 + _BACKWARD) * len(few) + len(judged)
            whole = (1 + _BACKWARD) * count + len(validation)
            self.seconds += epochs * (begun[1] - begun[0]) * whole / tried

    def each(self, rounds: Sequence[T]) -> Iterator[T]:
        """The first of them; what the others would take is reckoned by how long these did."""
        begun = perf_counter()
        yield from super().each(rounds[:_ROUNDS])
        self.seconds += (perf_counter() - begun) * max(len(rounds) - _ROUNDS, 0) / _ROUNDS
