"""Side exits: a network that answers early where it is sure enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Exit(nn.Module):
    """What stands in the place of the rest of a network, with a side branch that may answer instead of it.

    An image leaves here where the entropy −Σ y log y of the branch's softmax y is below `threshold`, in nats
    (Teerapittayanon, McDanel, Kung 2016, section III-B); the rest is run on the others alone. 0: none leaves. While
    training all images go through both. Several exits stand one in the rest of another.

    left: of the images that came here in the last pass, bool [images], which have left. early: scores of the branch in
    the last pass of training.
    """

    threshold: Tensor
    left: Tensor | None
    early: Tensor | None

    def __init__(self, side: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.side, self.rest = side, rest
        self.register_buffer("threshold", torch.tensor(0.0))
        self.left = self.early = None
        self.passed = False  # whether nobody leaves, whatever the threshold

    def forward(self, x: Tensor) -> Tensor:
        early: Tensor = self.side(x)
        if self.training:
            self.early = early
        if self.training or self.passed:
            return self.rest(x)
        leaving = entropy(early) < self.threshold
        count = int(leaving.sum())
        self.left = leaving
        if count == len(leaving):
            return early
        if count == 0:
            return self.rest(x)
        staying = ~leaving
        scores = early.clone()
        scores[staying] = self.rest(x[staying])
        return scores


def entropy(scores: Tensor) -> Tensor:
    """[images, classes] before the softmax to nats [images]."""
    logarithms = scores.log_softmax(1)
    return -(logarithms.exp() * logarithms).sum(1)


def exits(module: nn.Module) -> dict[str, Exit]:
    """Path -> exit, in the order in which images reach them."""
    return {path: part for path, part in module.named_modules() if isinstance(part, Exit)}


@contextmanager
def passing(module: nn.Module) -> Iterator[None]:
    """While every image goes all the way, whatever the thresholds."""
    found = exits(module).values()
    for one in found:
        one.passed = True
    try:
        yield
    finally:
        for one in found:
            one.passed = False


def taken(module: nn.Module, images: int) -> Tensor:
    """int64 [images]: at which exit each image of the last pass left, from 0; the number of exits where at none."""
    here, found = torch.arange(images), torch.zeros(images, dtype=torch.int64)
    for one in exits(module).values():
        if one.left is None or not len(here):
            break
        here = here[~one.left]
        found[here] += 1
    return found
