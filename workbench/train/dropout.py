"""Dropout: while a network trains, some of what its layers give is zero; of excited units less, if one likes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workbench.errors import ModelError

CATALOGUE = {"TT-02": "outputs zeroed while training, of any layer", "HA-04": "by how excited each unit is"}


def kept(output: Tensor, share: float, slope: float) -> Tensor:
    """How likely each number z of `output` is to be kept: σ(slope · z + β), where β keeps 1 − share of those at 0.

    Ba, Frey, Adaptive dropout for training deep neural networks, NeurIPS 2013, sections 3 and 3.1, with the weights of
    the network itself: they cost a multiplication and a sigmoid a unit. What is kept then is learnt as it stands: no
    gradient goes through the probability.
    """
    if not slope:
        return torch.full_like(output, 1 - share)
    return torch.sigmoid(slope * output.detach() + math.log((1 - share) / share)) if share else torch.ones_like(output)


def dropped(output: Tensor, share: float, generator: torch.Generator, slope: float = 0.0) -> Tensor:
    """`output` with each number zero with the probability `share`, the others divided by 1 − share.

    With a slope above 0 it is each number's own probability (`kept`) that it is left with and divided by.

    So the mean stays (inverted dropout), and what was trained runs as it is; Srivastava, Hinton, Krizhevsky, Sutskever,
    Salakhutdinov, Dropout, JMLR 15, 2014, section 10, where weights are multiplied by 1 − share afterwards instead.
    Ba and Frey multiply each unit by its probability afterwards, which is then a part of the network; divided by here,
    it is none, and the mean is exact, too.
    """
    drawn = torch.rand(output.shape, generator=generator)
    if not slope:
        return output * (drawn >= share) / (1 - share)
    likely = kept(output, share, slope)
    return torch.where(drawn >= 1 - likely, output / likely, 0.0)


def dropping(
    module: nn.Module, shares: Mapping[str, float], generator: torch.Generator, slope: float = 0.0
) -> list[RemovableHandle]:
    """Have what the layers of these names give `dropped` while `module` trains, until the handles are removed.

    Raises ModelError for a name that is no layer.
    """
    layers = dict(module.named_modules())
    for name in shares:
        if name not in layers:
            raise ModelError(f"Dropout is set for a layer {name!r}, which the network does not have.")

    def zeroing(share: float) -> Callable[[nn.Module, object, Tensor], Tensor | None]:
        def hook(layer: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
            return dropped(output, share, generator, slope) if layer.training else None

        return hook

    return [layers[name].register_forward_hook(zeroing(share)) for name, share in shares.items()]
