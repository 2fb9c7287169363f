"""What trained methods train with: the one loop, on a model's own images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.data.datasets import Dataset
from workbench.data.split import Split
from workbench.errors import ModelError, Stopped
from workbench.evidence import Evidence
from workbench.method import Progress, Teaching, TrainingStep
from workbench.models import zoo
from workbench.models.normalize import Normalize, normalise
from workbench.network.model import Model
from workbench.network.state import State
from workbench.train.loop import Entering, LossOf, Settings, accuracy, fit

T = TypeVar("T")
_BATCH = 128
_WARMUP = 0.1  # share of the steps in which the learning rate rises
_DECAY = 1e-4


class TrainingCourse:
    """See `Course`. Trains on the training images of `data` and judges by its validation images.

    progress: called after every epoch. teaching: who teaches where a method says nothing else. Raises DataError where
    `data` lacks either split.
    """

    def __init__(
        self,
        data: Dataset,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool] = lambda: False,
        entering: Entering = lambda images: images,
        evidence: Callable[[State], Evidence] | None = None,
        teaching: Teaching | None = None,
    ) -> None:
        self._train, self._validation, self._task = data.split("train"), data.split("validation"), data.task
        self._data = data
        self._progress, self._cancelled, self._entering = progress, cancelled, entering
        self._evidence, self._teaching = evidence, teaching
        self.notes: list[str] = []
        self._begun = perf_counter()
        self._told = Progress(0.0, math.nan, math.nan, math.nan)

    def _tell(self, progress: Progress) -> None:
        self._told = progress
        self._progress(progress)

    def fit(
        self,
        module: nn.Module,
        *,
        epochs: int,
        learning_rate: float,
        seed: int,
        images: int | None = None,
        share: tuple[float, float] = (0.0, 1.0),
        loss_of: LossOf | None = None,
        teaching: Teaching | None = None,
        weight_decay: float = _DECAY,
        dropout: Mapping[str, float] = MappingProxyType({}),
        standout: float = 0.0,
        depth: float = 1.0,
        before_step: Callable[[], None] = lambda: None,
        after_step: Callable[[TrainingStep], None] = lambda step: None,
        optimiser: Literal["adamw", "sgd"] = "adamw",
        last: bool = False,
    ) -> None:
        settings = Settings(
            epochs=epochs, batch=_BATCH, optimiser=optimiser, learning_rate=learning_rate, warmup=_WARMUP,
            weight_decay=weight_decay, dropout=dropout, standout=standout, depth=depth,
        )  # fmt: skip
        trainable = [tensor for tensor in module.parameters() if not tensor.requires_grad]
        for tensor in trainable:
            tensor.requires_grad_(True)
        epochs_done = fit(
            module,
            self._train if images is None else self._train.some(_drawn(self._train, images, seed)),
            self._validation,
            settings,
            task=self._task,
            seed=seed,
            cancelled=self._cancelled,
            loss_of=loss_of,
            teaching=teaching or self._teaching,
            before_step=before_step,
            after_step=after_step,
            last=last,
            entering=self._entering,
        )
        try:
            for epoch in epochs_done:
                done = share[0] + (share[1] - share[0]) * epoch.number / epochs
                left = (perf_counter() - self._begun) * (1 - done) / done
                self._tell(Progress(done, epoch.loss, epoch.accuracy, left, self._told.box))
        finally:
            for tensor in trainable:
                tensor.requires_grad_(False)

    def score(self, network: State | nn.Module) -> float:
        module = network.module() if isinstance(network, State) else network
        return accuracy(module, self._validation, task=self._task, entering=self._entering)

    def enter(self, box: str) -> None:
        self._tell(replace(self._told, box=box))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def images(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        some = self._train.some(_drawn(self._train, count, seed))
        return self._entering(some.inputs()), some.targets()

    def each(self, rounds: Sequence[T]) -> Iterator[T]:
        for one in rounds:
            if self._cancelled():
                raise Stopped
            yield one

    def evidence(self, state: State) -> Evidence:
        assert self._evidence is not None
        return self._evidence(state)

    def start(self, state: State) -> State | None:
        model = state.model
        module = zoo.start(model.name) if model.shelved else None
        if module is None or any(form.factored for form in state.forms.values()):
            return None
        for path, part in module.named_modules():
            if isinstance(part, Normalize):  # set before it began
                part.load_state_dict(model.module.get_submodule(path).state_dict())
        return State.of(model).trained(module)

    def network(self, architecture: str, name: str, seed: int) -> State:
        images = self._train.inputs()
        wanted, given = zoo.facts(architecture)["input_shape"], tuple(images.shape[1:])
        if wanted != given:
            raise ModelError(f"{architecture} takes inputs of shape {wanted}; those of {self._data.name} have {given}.")
        module = zoo.build(architecture, seed)
        normalise(module, images)
        return State.of(Model.from_module(module, images[:1], self._data, name, architecture))


def _drawn(split: Split, images: int, seed: int) -> NDArray[np.int64]:
    """The numbers of so many of the images, or of all where there are fewer."""
    return np.random.default_rng(seed).permutation(len(split))[:images]
