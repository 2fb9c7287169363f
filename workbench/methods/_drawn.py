"""A network whose weights are drawn anew, as its modules draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import RecipeError

if TYPE_CHECKING:
    from workbench.network.state import State


def drawn(state: State, seed: int, owner: str) -> State:
    """The network of `state` with all weights drawn by the seed. Raises RecipeError, in the name of the method `owner`,
    where one knows no way to."""
    import torch

    module = state.module()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for path, part in module.named_modules():
            draw = getattr(part, "reset_parameters", getattr(part, "_reset_parameters", None))
            if draw is not None:
                draw()
            elif any(True for _ in part.parameters(recurse=False)):
                which = f"{type(part).__name__} {path!r}"
                raise RecipeError(f"{owner}: {which} has no reset_parameters to draw its weights anew by.")
    return state.trained(module)
