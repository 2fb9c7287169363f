"""Weights that are used as a method makes them and trained as if they were their own (straight-through)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from workbench.method import Layerwise
from workbench.weights.form import Form


class StraightThrough(nn.Module):
    """A weight as `method` makes it, by the very code that compresses; its gradient is the one of what was made.

    Bengio, Leonard, Courville, arXiv 1308.3432, section 4. The full-precision weight is what an optimiser changes.
    """

    def __init__(self, method: Layerwise) -> None:
        super().__init__()
        self._method = method

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        made = self._method.compress(Form.of(weight.detach().numpy()), None).compose()
        return weight + (torch.from_numpy(made.copy()) - weight).detach()


def used_as(module: nn.Module, layers: tuple[str, ...], method: Layerwise) -> Callable[[], None]:
    """Have the weights of `layers`, and of their factors, used as `method` makes them; what is returned ends that."""
    places = [module.get_submodule(name) for name in layers]
    owners = [owner for place in places for owner in (place if isinstance(place, nn.Sequential) else [place])]
    for owner in owners:
        parametrize.register_parametrization(owner, "weight", StraightThrough(method))

    def end() -> None:
        for owner in owners:
            parametrize.remove_parametrizations(owner, "weight", leave_parametrized=False)

    return end
