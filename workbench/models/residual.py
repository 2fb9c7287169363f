"""Residual blocks: what they add to their input is a branch of its own, so that a training may leave it out."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Residual(nn.Module):
    """A block whose `forward` adds `branch(x)` to its input, or to what a shortcut makes of that.

    skippable: whether something passes beside the branch, so that the block still answers without it.
    """

    skippable = True

    @abstractmethod
    def branch(self, x: Tensor) -> Tensor:
        """What is added, of a batch [images, ...]."""


def skippable(module: nn.Module) -> list[Residual]:
    """The blocks of a network that have something beside their branch, in the order in which it holds them."""
    return [part for part in module.modules() if isinstance(part, Residual) and part.skippable]
