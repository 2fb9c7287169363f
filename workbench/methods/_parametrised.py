"""Weights of a network in training that are worked out from something else, layer by layer and factor by factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from workbench.network.state import Held, State


def parametrised(
    module: nn.Module, state: State, layers: tuple[str, ...], made: Callable[[Held], nn.Module]
) -> Callable[[], None]:
    """Have the weights of `layers` of `module`, which `state.module()` gave, worked out by modules; what is returned
    ends that, and leaves the weights as they are worked out then.

    made: torch's parametrisation of a tensor, which may be from parameters of another shape (its `right_inverse`).
    """
    places = state.held(module, layers)
    for place in places:
        parametrize.register_parametrization(place.owner, place.leaf, made(place), unsafe=True)

    def end() -> None:
        for place in places:
            worked_out = getattr(place.owner, place.leaf).detach().clone()
            parametrize.remove_parametrizations(place.owner, place.leaf, leave_parametrized=True)
            delattr(place.owner, place.leaf)  # torch leaves no parameter where nothing is being trained
            place.owner.register_parameter(place.leaf, nn.Parameter(worked_out, requires_grad=False))

    return end
