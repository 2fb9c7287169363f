"""How many calibration images a network answers wrongly while some of its layers have other weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.models.exits import passing
from workbench.network.state import State
from workbench.tasks import TASKS
from workbench.weights.form import Form


class Answering:
    """A network of a state, and images that it answers."""

    def __init__(self, state: State, images: Split) -> None:
        assert state.model.data is not None
        self._state, self._images, self._task = state, images, TASKS[state.model.data.task]
        self._module, self._batches = state.module(), list(batches(state, images))

    def wrong(
        self, forms: Mapping[str, Form], zero: Collection[tuple[str, int]], cancelled: Callable[[], bool]
    ) -> float:
        """See `Evidence.wrong`; one pass forward.

        Raises ModelError where the network does not run on the images, and Stopped between two batches.
        """
        answers, truth = [], self._images.truth
        with self._changed(forms, zero), torch.inference_mode(), passing(self._module):
            for batch in self._batches:
                asked(cancelled)
                with failing(self._state.model, "does not run on its calibration images"):
                    answers.append(self._task.answers(self._module(batch), len(batch)))
        return float((1 - self._task.scores(np.concatenate(answers), truth, truth)).sum())

    @contextmanager
    def _changed(self, forms: Mapping[str, Form], zero: Collection[tuple[str, int]]) -> Iterator[None]:
        tensors = self._module.state_dict()
        before = {name: tensors[name].clone() for name, _ in zero}
        self._state.fill(self._module, forms)
        for name, index in zero:
            tensors[name][index] = 0
        try:
            yield
        finally:
            self._state.fill(self._module, {name: self._state.forms[name] for name in forms})
            for name, tensor in before.items():
                tensors[name].copy_(tensor)
