"""Structured pruning by generative adversarial learning: a mask gets sparse while a critic still takes the answers for
those of the whole network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.errors import RecipeError
from workbench.evidence import Channel, Evidence, Layout
from workbench.method import Course, Trained, TrainingStep, setting
from workbench.methods.prune._emptied import clusters, slimmer
from workbench.methods.prune._soft_mask import SoftMask, Structures
from workbench.weights.form import Form

if TYPE_CHECKING:
    from workbench.network.state import State

_HIDDEN = (128, 256, 128)
_DECAY = 1e-4
_MASKED = 1e-4  # learning rate: weights that move faster make up for the mask before it shows what matters
_TUNED = 1e-3


@dataclass(frozen=True)
class Adversarial(Trained):
    """min over weights W and mask m, max over the discriminator D, of
    E[log D(f_b)] + E[log(1 − D(f))] + ½ E‖f_b − f‖² + λ ‖m‖₁, where f_b are the answers of the network before the step.

    m multiplies the maps of each structure, and a structure whose factor becomes zero goes: m takes steps of FISTA, W
    those of the optimiser, and D, three layers whose weights decay, those of its own after each batch. Batch norms keep
    their means and deviations: those of a batch would make up for factors that all become smaller. No label is read,
    and the last epoch is kept, for choosing one would read them. How much goes follows from λ. Until it is trained the
    network stays as it is.
    """

    catalogue = ("PR-22",)
    title = "Generative adversarial pruning"
    paper = (
        "Lin et al., Towards optimal structured CNN pruning via generative adversarial learning, CVPR 2019, section 3"
    )

    strength: float = setting(
        0.1, "λ: how much the mask's sum counts beside the answers.", low=0.0, high=100.0, step=0.01
    )
    structure: Literal["channels", "branches"] = setting(
        "channels",
        "What has a factor: each channel; or each branch that is added to something else, as the layers of a residual "
        "block are, or put beside it.",
        choices=("channels", "branches"),
    )
    epochs: int = setting(10, "Passes over the training images with the mask.", low=1, high=200, step=1)
    tuning: int = setting(
        2, "Passes over the training images after it, with what is zero kept.", low=0, high=50, step=1
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of several layers"
        return "shares its weight with another module, whose maps a factor would change, too" if layout.tied else None

    def stand_in(self) -> None:
        return None

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        structures = self._structures(state, layers, course.evidence(state))
        if not structures.found:
            raise RecipeError(f"{self.name}: {state.model.name} has no {self.structure} that it can go on without.")
        module = state.module()
        linear = [layer.name for layer in state.model.layers if layer.kind == "linear"]
        mask, hold, game = SoftMask(structures, module, linear), state.holding_zeros(module), _Game(state, self.seed)

        def loss_of(learning: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
            answers = learning(images)
            mask.measure(answers)
            return game.loss(images, answers)

        def after(step: TrainingStep) -> None:
            hold()
            mask.step(self.strength)
            game.answer()

        share = self.epochs / (self.epochs + self.tuning)
        self._fit(course, module, self.epochs, _MASKED, (0.0, share), loss_of, after)
        state = mask.folded(state.trained(module))
        state = slimmer(state, state.forms, course.evidence(state))
        yield state
        if self.tuning:
            yield self._tuned(state, mask.gone, game, course, (share, 1.0))

    def _structures(self, state: State, layers: tuple[str, ...], evidence: Evidence) -> Structures:
        if self.structure == "channels":
            sets = [(cluster, True) for cluster in clusters({name: state.forms[name] for name in layers}, evidence)]
        else:
            sets = [(joint.branches, joint.alone) for joint in evidence.joints()]
            sets = [(some, alone) for some, alone in sets if all(row[0] in layers for one in some for row in one.rows)]
        found: list[Channel] = []
        apart = []
        for some, one_stays in sets:
            if one_stays:
                apart.append(tuple(range(len(found), len(found) + len(some))))
            found += some
        return Structures(tuple(found), tuple(apart))

    def _tuned(
        self, state: State, gone: Sequence[Channel], game: _Game, course: Course, share: tuple[float, float]
    ) -> State:
        """Trained on without a mask and its penalty, with what has gone kept at zero."""
        module = state.module()
        hold = state.holding_zeros(module)
        entries = [(module.get_parameter(tensor), index) for one in gone for tensor, index in one.beside]

        def after(step: TrainingStep) -> None:
            hold()
            with torch.no_grad():
                for tensor, index in entries:  # of a branch, whose sum goes on behind it
                    tensor[index] = 0
            game.answer()

        self._fit(course, module, self.tuning, _TUNED, share, lambda learning, x, y: game.loss(x, learning(x)), after)
        return state.trained(module)

    def _fit(
        self, course: Course, module: nn.Module, epochs: int, rate: float, share: tuple[float, float],
        loss_of: Callable[[nn.Module, Tensor, Tensor], Tensor], after: Callable[[TrainingStep], None],
    ) -> None:  # fmt: skip
        hooks = [
            one.register_forward_pre_hook(_normalising_as_before)
            for one in module.modules()
            if isinstance(one, nn.modules.batchnorm._BatchNorm)
        ]
        course.fit(
            module, epochs=epochs, learning_rate=rate, seed=self.seed, share=share, loss_of=loss_of, after_step=after,
            last=True,
        )  # fmt: skip
        for hook in hooks:
            hook.remove()


def _normalising_as_before(norm: nn.Module, inputs: object) -> None:
    norm.eval()


class _Game:
    """What the answers of the whole network are told from those of the pruned one by, and what that costs either."""

    def __init__(self, state: State, seed: int) -> None:
        self._whole = state.module()
        with torch.no_grad():
            inputs = self._whole(state.model.example).flatten(1).shape[1]
        widths = (inputs, *_HIDDEN)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
            self._critic = nn.Sequential(*hidden, nn.Linear(widths[-1], 1))
        self._optimiser = torch.optim.AdamW(self._critic.parameters(), lr=1e-3, weight_decay=_DECAY)

    def loss(self, images: Tensor, answers: Tensor) -> Tensor:
        """Of the pruned network: ½ E‖f_b − f‖² + E[log(1 − D(f))]."""
        with torch.no_grad():
            known = self._whole(images).flatten(1)
        answers = answers.flatten(1)
        self._shown = known, answers.detach()
        distance = (known - answers).square().sum(1).mean() / 2
        return distance + functional.logsigmoid(-self._critic(answers)).mean()

    def answer(self) -> None:
        """The discriminator's step on the answers that it was shown last: up E[log D(f_b)] + E[log(1 − D(f))]."""
        known, answers = (self._critic(shown) for shown in self._shown)
        loss = -functional.logsigmoid(known).mean() - functional.logsigmoid(-answers).mean()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
