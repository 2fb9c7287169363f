"""Training with a group lasso: what methods share that differ in what a group is and how much it weighs."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.evidence import Evidence, Layout
from workbench.method import Course, Trained, TrainingStep, setting
from workbench.methods._retrained import trained_on
from workbench.methods.prune._emptied import slimmer
from workbench.methods.prune._groups import Groups, Held
from workbench.weights.form import Form

if TYPE_CHECKING:
    from torch import nn

    from workbench.network.state import State


@dataclass(frozen=True)
class GroupLasso(Trained):
    """Minimises the loss + λ Σ_g c_g ‖w_g‖₂ by a proximal step after each of the optimiser's.

    w_g ← w_g · max(0, 1 − η λ c_g / ‖w_g‖), η how far the step moves, so that groups become exactly zero. Channels of
    which nothing is left are emptied, with the weights that meet them, and what is left is trained on without the
    penalty. How much goes follows from λ; until it is trained the network stays as it is.
    """

    strength: float = setting(
        0.01, "λ: how much the norms of groups count beside the loss.", low=0.0, high=1.0, step=0.001
    )
    epochs: int = setting(10, "Passes over the training images with the penalty.", low=1, high=200, step=1)
    tuning: int = setting(
        2, "Passes over the training images after it, with what is zero kept.", low=0, high=50, step=1
    )

    @abstractmethod
    def groups(self, forms: Mapping[str, Form], tensors: Mapping[str, Held], evidence: Evidence) -> list[Groups]:
        """All that are shrunk. tensors: layer -> what holds its weight in the network."""

    def weight(self, groups: Groups) -> float:
        """c_g: how much such a group counts."""
        return 1.0

    def alone(self) -> float:
        """How much single weights count: the other half of a sparse group lasso."""
        return 0.0

    def shrink(self, module: nn.Module, groups: list[Groups], rate: float) -> None:
        """The proximal step that belongs to a step of that learning rate: single weights first, then groups."""
        if self.alone():
            sparse(groups, module, rate * self.strength * self.alone())
        for one in groups:
            one.shrink(module, rate * self.strength * self.weight(one))

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return "is a product of matrices, which have no group of the layer's own" if form.factored else None

    def stand_in(self) -> None:
        return None

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        forms = {name: state.forms[name] for name in layers}
        module = state.module()
        tensors = {
            layer.name: Held(
                layer.parameter,
                tuple(module.get_parameter(layer.parameter).shape),
                f"{layer.name}.bias" if f"{layer.name}.bias" in state.model.rest else None,
            )
            for layer in state.model.layers
            if layer.name in forms and not layer.arrangement.swapped
        }
        groups = self.groups({name: forms[name] for name in tensors}, tensors, course.evidence(state))
        hold = state.holding_zeros(module)

        def after(step: TrainingStep) -> None:
            hold()
            self.shrink(module, groups, step.rate)

        share = self.epochs / (self.epochs + self.tuning)
        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=0.02,
            optimiser="sgd",
            seed=self.seed,
            share=(0.0, share),
            after_step=after,
            last=True,
        )
        state = state.trained(module)
        state = slimmer(state, layers, course.evidence(state))
        yield state
        if self.tuning:
            yield trained_on(
                state,
                course,
                epochs=self.tuning,
                seed=self.seed + 1,
                share=(share, 1.0),
                held=lambda module: [one.holding_zeros(module) for one in groups],
            )


def sparse(groups: list[Groups], module: nn.Module, amount: float) -> None:
    """Soft-threshold every weight of the groups, w ← sign(w) · max(0, |w| − amount): the sparse lasso's."""
    import torch

    tensors = {piece.tensor for one in groups for piece in one.pieces if module.get_parameter(piece.tensor).ndim > 1}
    with torch.no_grad():
        for tensor in sorted(tensors):
            weight = module.get_parameter(tensor)
            weight.copy_(weight.sign() * (weight.abs() - amount).clamp(min=0))


def square_root(groups: Groups) -> float:
    """√|g|, with which groups of unlike size are shrunk alike (Yuan and Lin 2006)."""
    return math.sqrt(groups.size)
