"""Weights that a network computes with, made of latent ones, which are what an optimiser changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from workbench.method import Course, TrainingStep

Made = Callable[[str, Tensor], Tensor]


class Latent:
    """Algorithm 1 of Courbariaux, Bengio, David, BinaryConnect, NeurIPS 2015, for whatever weights are made of others.

    Both passes see what `used` makes of a latent weight; the optimiser changes the latent one by the gradient of what
    was used, and `kept` is what stays of it then. So what is judged after an epoch is what the network computes with.
    Of weights that begin at zero neither is anything else, ever.
    """

    def __init__(self, weights: Mapping[str, Tensor], used: Made, kept: Made) -> None:
        self._weights, self._used, self._kept = weights, used, kept
        self._masks = {name: weight != 0 for name, weight in weights.items()}
        self._latent = {name: self._of(name, kept, weight.detach()) for name, weight in weights.items()}
        self._use()

    def _of(self, name: str, made: Made, weight: Tensor) -> Tensor:
        return made(name, weight).mul(self._masks[name]) + 0.0

    @torch.no_grad()
    def _use(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self._of(name, self._used, self._latent[name]))

    @torch.no_grad()
    def before_step(self) -> None:
        """The gradients are there: the optimiser is to change the latent weights."""
        for name, weight in self._weights.items():
            weight.copy_(self._latent[name])

    @torch.no_grad()
    def after_step(self, step: TrainingStep) -> None:
        """The optimiser has changed them: the network computes with what is made of them again."""
        for name, weight in self._weights.items():
            self._latent[name] = self._of(name, self._kept, weight.detach())
        self._use()

    def fit(
        self,
        course: Course,
        module: nn.Module,
        hold: Callable[[], None],
        *,
        epochs: int,
        learning_rate: float,
        seed: int,
        last: bool = False,
    ) -> None:
        """Train `module`, whose weights these are, by the latent ones (`Course.fit`). hold: called after each step."""

        def after_step(step: TrainingStep) -> None:
            self.after_step(step)
            hold()

        course.fit(
            module,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            weight_decay=0.0,
            before_step=self.before_step,
            after_step=after_step,
            last=last,
        )


def owners(module: nn.Module, layers: Iterable[str]) -> dict[str, nn.Module]:
    """The module that computes each layer, or each of its factors, by its path."""
    found: dict[str, nn.Module] = {}
    for name in layers:
        place = module.get_submodule(name)
        chain = isinstance(place, nn.Sequential)
        found |= {f"{name}.{key}": one for key, one in place.named_children()} if chain else {name: place}
    return found


def weights(module: nn.Module, layers: Iterable[str]) -> dict[str, Tensor]:
    """The weight of every layer that is called, and of each of its factors, by the module that owns it."""
    return {path: owner.get_parameter("weight") for path, owner in owners(module, layers).items()}
