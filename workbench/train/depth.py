"""Stochastic depth: while a network trains, whole residual blocks are left out of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models.residual import Residual, skippable

CATALOGUE = {"TT-01": "branches of residual blocks left out while training"}


def survivals(blocks: int, last: float) -> tuple[float, ...]:
    """How likely each of so many blocks is to be kept: p_l = 1 − l / L · (1 − p_L), of block l from 1, p_L = `last`.

    Huang, Sun, Liu, Sedra, Weinberger, Deep networks with stochastic depth, ECCV 2016, equation 4; with p_L = ½ the
    blocks that are run number (3 L − 1) / 4 on average (section 3.2).
    """
    return tuple(1 - number / blocks * (1 - last) for number in range(1, blocks + 1))


def skipping(module: nn.Module, last: float, generator: torch.Generator) -> Callable[[], None]:
    """Have the branch of every residual block of `module` not run at all for a batch in training, one in 1 / (1 − p_l).

    A branch that is kept is divided by p_l, and a trained network runs with all of them as they are: the paper
    (equation 5) multiplies by p_l afterwards instead, which is the same with the factor in the branch. What is returned
    ends it. Raises ModelError where the network has no block that could be skipped.
    """
    blocks = skippable(module)
    if not blocks:
        raise ModelError(
            "Stochastic depth leaves out residual blocks, and this network has none that says so "
            "(workbench.models.residual.Residual)."
        )
    for block, survival in zip(blocks, survivals(len(blocks), last), strict=True):
        _skip(block, survival, generator)

    def end() -> None:
        for block in blocks:
            del block.branch

    return end


def _skip(block: Residual, survival: float, generator: torch.Generator) -> None:
    """Until the block's attribute `branch` is deleted."""
    branch = block.branch

    def kept_or_not(x: Tensor) -> Tensor:
        if not block.training:
            return branch(x)
        if float(torch.rand((), generator=generator)) >= survival:
            return x.new_zeros(())
        return branch(x) / survival

    block.branch = kept_or_not  # type: ignore[method-assign]
