"""The training loop: seeded, cancellable, and chosen by validation images only."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batches import batches
from workbench.data.split import Split
from workbench.errors import DataError
from workbench.method import Teaching, TrainingStep
from workbench.tasks import TASKS
from workbench.train.depth import skipping
from workbench.train.dropout import dropping
from workbench.train.teaching import joint_loss


@dataclass(frozen=True)
class Settings:
    """How to train.

    The learning rate rises linearly over the first `warmup` share of all steps to `learning_rate` and falls to zero
    along half a cosine (Loshchilov and Hutter, arXiv 1608.03983; the rise as in Smith, arXiv 1708.07120).
    `average`: decay per step of the exponential moving average of the weights, which is what is validated and kept;
    0 keeps the weights themselves. `shift`: images are moved by up to so many pixels each way; `flip`: half of them are
    mirrored. `dropout`: the share of a named layer's outputs that is zeroed while training; the network itself holds no
    dropout layer. `standout`: how much more likely an excited unit is kept than others (`workbench.train.dropout`).
    `depth`: how likely the last residual block is to be kept in a batch, the ones before it more so
    (`workbench.train.depth`); 1 leaves none out. `bfloat16`: forward and backward pass in mixed precision, the weights
    stay float32.
    """

    epochs: int = 10
    batch: int = 128
    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    warmup: float = 0.2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    average: float = 0.0
    shift: int = 0
    flip: bool = False
    dropout: Mapping[str, float] = field(default_factory=dict)
    standout: float = 0.0
    depth: float = 1.0
    bfloat16: bool = False


LossOf = Callable[[nn.Module, Tensor, Tensor], Tensor]
Entering = Callable[[Tensor], Tensor]  # what makes of images what a network takes: whole numbers, say


@dataclass(frozen=True)
class Epoch:
    """`loss` is the mean over the training images, `accuracy` the task's score, 1 at best, on the validation images."""

    number: int
    loss: float
    accuracy: float
    seconds: float


_MOMENTUM = 0.9


def fit(
    module: nn.Module,
    train: Split,
    validation: Split,
    settings: Settings,
    *,
    task: str = "classification",
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    loss_of: LossOf | None = None,
    teaching: Teaching | None = None,
    before_step: Callable[[], None] = lambda: None,
    after_step: Callable[[TrainingStep], None] = lambda step: None,
    last: bool = False,
    entering: Entering = lambda images: images,
) -> Iterator[Epoch]:
    """Train `module` in place and yield after every epoch.

    task: what the images ask (`workbench.tasks`). loss_of: the loss of (module, inputs, truth); the task's by default,
    summed over the exits of a network that has some, beside what `teaching` adds.
    before_step: called when the gradients are there and before the optimiser uses them. after_step: called when the
    optimiser has changed the weights, which is where masks are kept, whatever its momentum wants. last: end with the
    weights of the last finished epoch, not of the best.

    When the iteration ends, by itself, by `cancelled()` turning true (asked before every batch), or because the caller
    stops iterating and closes it, the module is in evaluation mode and holds the weights of the finished epoch with the
    best validation accuracy (the first of equals); where no epoch was finished, the weights that it came with. The same
    seed, data and number of threads give the same weights. Torch's global random generator is neither read nor moved.
    Raises `DataError` for labels that the network has no score for, for a single image before batch norm of features,
    and where the task has nothing to be taught by another network; `ModelError` for an unknown layer in
    `settings.dropout`, and for `settings.depth` where the network has no residual blocks.
    """
    generator = torch.Generator().manual_seed(seed)
    asked = TASKS[task]
    images, truth = entering(train.inputs()), train.targets()
    if len(truth) == 1 and any(isinstance(layer, nn.BatchNorm1d) for layer in module.modules()):
        raise DataError("A network with batch norm of features needs two training images at least; there is one.")
    # Convolutions are about twice as fast on a CPU with the channels innermost; it changes the layout, not the values.
    _lay_out(module, torch.channels_last)
    best_state, best_accuracy = copy.deepcopy(module.state_dict()), -math.inf
    averaged = copy.deepcopy(module) if settings.average else module
    run_all = skipping(module, settings.depth, generator) if settings.depth < 1 else lambda: None
    hooks = dropping(module, settings.dropout, generator, settings.standout)
    slow = [layer for layer in module.modules() if settings.bfloat16 and _is_strided_depthwise(layer)]
    for layer in slow:
        _compute_in_float32(layer)
    optimiser = _optimiser(module, settings)
    steps_per_epoch = len(batches(truth, settings.batch))
    step = 0
    try:
        for number in range(1, settings.epochs + 1):
            started = time.perf_counter()
            module.train()
            total = 0.0
            for chosen in batches(torch.randperm(len(truth), generator=generator), settings.batch):
                if cancelled():
                    return
                rate = settings.learning_rate * _schedule(step, settings, steps_per_epoch)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                batch = _augment(images[chosen], settings, generator)
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.bfloat16):
                    if loss_of is None:
                        loss = joint_loss(module, batch, truth[chosen], asked, settings.label_smoothing, teaching)
                    else:
                        loss = loss_of(module, batch, truth[chosen])
                optimiser.zero_grad()
                loss.backward()
                before_step()
                optimiser.step()
                after_step(TrainingStep(step, settings.epochs * steps_per_epoch, _moved(rate, settings)))
                step += 1
                total += float(loss.detach()) * len(chosen)
                if settings.average:
                    _average(averaged, module, min(settings.average, (1 + step) / (10 + step)))
            reached = accuracy(averaged, validation, task=task, entering=entering)
            if last or reached > best_accuracy:
                best_state, best_accuracy = copy.deepcopy(averaged.state_dict()), reached
            yield Epoch(number, total / len(truth), reached, time.perf_counter() - started)
    finally:
        for hook in hooks:
            hook.remove()
        run_all()
        for layer in slow:
            del layer.forward
        _lay_out(module, torch.contiguous_format)
        module.load_state_dict(best_state)
        module.eval()


@torch.no_grad()
def accuracy(
    module: nn.Module,
    split: Split,
    batch: int = 500,
    task: str = "classification",
    entering: Entering = lambda images: images,
) -> float:
    """The task's score on the split's images, as their share (0..1) that is answered rightly, in evaluation mode."""
    module.eval()
    asked = TASKS[task]
    answers = [asked.answers(module(images), len(images)) for images in entering(split.inputs()).split(batch)]
    return float(asked.scores(np.concatenate(answers), split.truth, split.truth).mean())


def _lay_out(module: nn.Module, layout: torch.memory_format) -> None:
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _is_strided_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and max(layer.stride) > 1


def _compute_in_float32(layer: nn.Module) -> None:
    """Take a layer out of mixed precision until its attribute `forward` is deleted.

    On a CPU the backward pass of a strided depthwise convolution is about 15 times as slow in bfloat16 as in float32.
    """
    forward = layer.forward

    def in_float32(images: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, forward(images.float()))

    layer.forward = in_float32


def _moved(rate: float, settings: Settings) -> float:
    """What a gradient of 1 that stays moves a weight by in a step: momentum adds up what came before."""
    return rate / (1 - _MOMENTUM) if settings.optimiser == "sgd" else rate


def _schedule(step: int, settings: Settings, steps_per_epoch: int) -> float:
    steps = settings.epochs * steps_per_epoch
    rise = settings.warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def _optimiser(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    # Biases and batch norm are not decayed: that pulls on the function, not on its complexity.
    groups = [
        {"params": [p for p in module.parameters() if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in module.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate)
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=_MOMENTUM, nesterov=True)


def _augment(images: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Move and mirror a batch N x C x H x W, every image by its own draw; what is moved in is zero.

    Images of any shape stay as they are where the settings ask for neither.
    """
    count = len(images)
    if settings.flip:
        mirrored = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if settings.shift:
        reach, (height, width) = settings.shift, images.shape[2:]
        windows = functional.pad(images, [reach] * 4).unfold(2, height, 1).unfold(3, width, 1)
        down, right = torch.randint(0, 2 * reach + 1, (2, count), generator=generator)
        images = windows[torch.arange(count), :, down, right]
    return images


@torch.no_grad()
def _average(averaged: nn.Module, module: nn.Module, decay: float) -> None:
    for kept, new in zip(averaged.state_dict().values(), module.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
