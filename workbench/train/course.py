"""What trained methods train with: the one loop, on a model's own images."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from torch import nn

from workbench.data.datasets import Dataset
from workbench.method import Progress
from workbench.train.loop import LossOf, Settings, fit

_BATCH = 128
_WARMUP = 0.1  # share of the steps in which the learning rate rises
_DECAY = 1e-4


class TrainingCourse:
    """See `Course`. Trains on the training images of `data` and judges by its validation images.

    progress: called after every epoch. Raises DataError where `data` lacks either split.
    """

    def __init__(
        self, data: Dataset, progress: Callable[[Progress], None], cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self._train, self._validation, self._task = data.split("train"), data.split("validation"), data.task
        self._progress, self._cancelled = progress, cancelled
        self._begun = perf_counter()

    def fit(
        self,
        module: nn.Module,
        *,
        epochs: int,
        learning_rate: float,
        seed: int,
        share: tuple[float, float] = (0.0, 1.0),
        loss_of: LossOf | None = None,
        before_step: Callable[[], None] = lambda: None,
        after_step: Callable[[int, int], None] = lambda step, steps: None,
    ) -> None:
        settings = Settings(
            epochs=epochs, batch=_BATCH, optimiser="adamw", learning_rate=learning_rate, warmup=_WARMUP,
            weight_decay=_DECAY,
        )  # fmt: skip
        trainable = [tensor for tensor in module.parameters() if not tensor.requires_grad]
        for tensor in trainable:
            tensor.requires_grad_(True)
        epochs_done = fit(
            module,
            self._train,
            self._validation,
            settings,
            task=self._task,
            seed=seed,
            cancelled=self._cancelled,
            loss_of=loss_of,
            before_step=before_step,
            after_step=after_step,
        )
        try:
            for epoch in epochs_done:
                done = share[0] + (share[1] - share[0]) * epoch.number / epochs
                left = (perf_counter() - self._begun) * (1 - done) / done
                self._progress(Progress(done, epoch.loss, epoch.accuracy, left))
        finally:
            for tensor in trainable:
                tensor.requires_grad_(False)
