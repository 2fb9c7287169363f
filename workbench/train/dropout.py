"""Dropout: while a network trains, some of what its layers give is zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workbench.errors import ModelError

CATALOGUE = {"TT-02": "outputs zeroed while training, of any layer"}


def dropped(output: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """`output` with each number zero with the probability `share`, the others divided by 1 − share.

    So the mean stays (inverted dropout), and what was trained runs as it is; Srivastava, Hinton, Krizhevsky, Sutskever,
    Salakhutdinov, Dropout, JMLR 15, 2014, section 10, where weights are multiplied by 1 − share afterwards instead.
    """
    kept = torch.rand(output.shape, generator=generator) >= share
    return output * kept / (1 - share)


def dropping(module: nn.Module, shares: Mapping[str, float], generator: torch.Generator) -> list[RemovableHandle]:
    """Have what the layers of these names give `dropped` while `module` trains, until the handles are removed.

    Raises ModelError for a name that is no layer.
    """
    layers = dict(module.named_modules())
    for name in shares:
        if name not in layers:
            raise ModelError(f"Dropout is set for a layer {name!r}, which the network does not have.")

    def zeroing(share: float) -> Callable[[nn.Module, object, Tensor], Tensor | None]:
        def hook(layer: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
            return dropped(output, share, generator) if layer.training else None

        return hook

    return [layers[name].register_forward_hook(zeroing(share)) for name, share in shares.items()]
