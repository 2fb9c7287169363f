"""Network slimming: training that pushes the scales of batch norm to zero, so that their channels can go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from workbench.evidence import Channel
from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._retrained import Schedule, reached, schedule_setting, trained_on
from workbench.methods.prune._emptied import without
from workbench.methods.prune._scales import beside_taken, scaled, scales, taken

if TYPE_CHECKING:
    from torch import nn

    from workbench.network.state import State


@dataclass(frozen=True)
class NetworkSlimming(Trained):
    """Minimises the loss + λ Σ|γ| by its sub-gradient, γ of the channels that can go; those of smallest |γ| do.

    What goes is one percentile over the whole network, what it leaves is taken up by the next layers (see
    `prune.batch-norm-scale`), and the network is fine-tuned. In several rounds that is done again with what is left.
    With a share of 0 it ends with small γ, for a step of `prune.batch-norm-scale` to cut at any percentile.
    """

    catalogue = ("PR-15",)
    title = "Network slimming"
    paper = "Liu, Li, Shen, Huang, Yan, Zhang, Learning efficient convolutional networks through network slimming, 2017"

    share: float = setting(
        0.5, "Share of the channels behind batch norms that is emptied.", unit="share", low=0.0, high=1.0, step=0.01
    )
    strength: float = setting(
        0.01, "λ: how much the sizes of scales count beside the loss.", low=0.0, high=1.0, step=0.001
    )
    rounds: int = setting(1, "How often channels go, each time after a training with λ.", low=1, high=10, step=1)
    schedule: Schedule = schedule_setting("geometric")  # noqa: RUF009 (a field, like `setting`)
    epochs: int = setting(10, "Passes over the training images with λ in each round.", low=1, high=200, step=1)
    tuning: int = setting(
        2, "Passes over the training images after each cut, with what is gone left out.", low=0, high=50, step=1
    )

    def stand_in(self) -> Calibrated:
        chosen = {"share": self.share}
        return cast(Calibrated, METHODS["prune.batch-norm-scale"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        whole = self.rounds * (self.epochs + self.tuning)
        competing = scaled({name: state.forms[name] for name in layers}, course.evidence(state))
        for number in range(1, self.rounds + 1):
            begun = (number - 1) / self.rounds
            share = begun, begun + self.epochs / whole
            state = self._pushed(state, competing, course, number, share)
            part = reached(self.share, number, self.rounds, self.schedule)
            decisions = taken(competing, part, state.forms, course.evidence(state))
            state = state.with_forms({name: without(state.forms[name], one.emptied) for name, one in decisions.items()})
            state = state.with_rest(beside_taken(state.model.rest, decisions.values()))
            if number == self.rounds:
                yield state
            if self.tuning:
                seed, share = self.seed + number, (share[1], number / self.rounds)
                state = trained_on(state, course, epochs=self.tuning, seed=seed, share=share)
        if self.tuning:
            yield state

    def _pushed(
        self,
        state: State,
        competing: list[tuple[Channel, ...]],
        course: Course,
        number: int,
        share: tuple[float, float],
    ) -> State:
        """After a training with λ."""
        module = state.module()
        hold = state.holding_zeros(module)
        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=0.05,
            optimiser="sgd",
            seed=self.seed + number,
            share=share,
            before_step=self.pushing(module, competing),
            after_step=lambda step: hold(),
            last=True,
        )
        return state.trained(module)

    def pushing(self, module: nn.Module, competing: list[tuple[Channel, ...]]) -> Callable[[], None]:
        """What adds the sub-gradient λ sign(γ) to the gradients of the channels' scales."""
        places: dict[str, set[int]] = defaultdict(set)
        for tensor, index in (found for cluster in competing for channel in cluster for found in scales(channel)):
            places[tensor].add(index)
        chosen = [(module.get_parameter(tensor), sorted(indices)) for tensor, indices in places.items()]

        def push() -> None:
            for gammas, indices in chosen:
                if gammas.grad is not None:
                    gammas.grad[indices] += self.strength * gammas.detach()[indices].sign()

        return push
