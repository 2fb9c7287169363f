"""Discrimination-aware channel pruning: the channels stay that classifiers inside the network ask for most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from torch import nn

from workbench.errors import RecipeError
from workbench.evidence import Channel
from workbench.method import METHODS, Calibrated, Course, Trained, setting
from workbench.methods._retrained import retrained
from workbench.methods.prune._discrimination import Choice, Probed, losing
from workbench.methods.prune._emptied import clusters, emptied_state
from workbench.methods.prune._meetings import Meeting, meetings

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class DiscriminationAware(Trained):
    """Of each layer the channels k of largest ‖∂L/∂W_k‖_F stay, W_k what the next layer multiplies them with.

    L = ½ mean (O − O_b)² + λ · CE: O the next layer's outputs, O_b those of the network before the step, CE the cross
    entropy of the nearest classifier behind them, or of the network's own answers where there is none. Classifiers (a
    ReLU, the mean over positions, a linear layer) are learned first, with the network and all at once, where the paper
    adds one after the other. The choice is greedy: from W = 0 on channels are added, and each time W is optimised for
    those that have been. At the end the network is trained on without the others.
    """

    catalogue = ("PR-20",)
    title = "Discrimination-aware channel pruning"
    paper = "Zhuang et al., Discrimination-aware channel pruning for deep neural networks, NeurIPS 2018, section 3"

    share: float = setting(
        0.5, "Share of each layer's output channels that goes.", unit="share", low=0.0, high=1.0, step=0.01
    )
    discrimination: float = setting(
        1.0, "λ: how much telling the classes counts beside keeping the outputs.", low=0.0, high=1000.0, step=0.1
    )
    classifiers: int = setting(1, "How many classifiers there are inside the network.", low=1, high=50, step=1)
    additions: int = setting(
        8,
        "In how many rounds a layer's channels are added: as many as it has channels for one a round.",
        low=1,
        high=10_000,
        step=1,
    )
    tolerance: float = setting(
        0.0,
        "Channels are added until a round changes L by no more than this share of what it was without any; more than "
        "the other share go then.",
        low=0.0,
        high=1.0,
        step=0.001,
    )
    images: int = setting(256, "How many training images channels are chosen by.", low=10, high=10_000, step=1)
    epochs: int = setting(1, "Passes over the training images with the classifiers.", low=1, high=50, step=1)
    tuning: int = setting(2, "Passes over the training images after the choice.", low=1, high=50, step=1)

    def stand_in(self) -> Calibrated:
        chosen = {"share": self.share}
        return cast(Calibrated, METHODS["prune.thi-net"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        data = state.model.data
        if data is None or data.task != "classification":
            raise RecipeError(f"{self.name}: {state.model.name} tells no classes, which channels are chosen by.")
        competing = clusters({name: state.forms[name] for name in layers}, course.evidence(state))
        points, share = self._points(state, competing), self.epochs / (self.epochs + self.tuning)
        linear = [layer.name for layer in state.model.layers if layer.kind == "linear"]
        whole, module = state.module(), state.module()
        probed, hold = Probed(module, list(points), linear, state.model.example, self.seed), state.holding_zeros(module)
        course.fit(
            probed,
            epochs=self.epochs,
            learning_rate=1e-3,
            seed=self.seed,
            share=(0.0, share),
            loss_of=lambda learning, images, labels: cast(Probed, learning).loss(images, labels),
            after_step=lambda step: hold(),
        )
        gone = self._choose(state, competing, points, whole, probed, course)
        state = emptied_state(state.trained(module), gone, state.forms)
        yield retrained(state, course, 1, 1, epochs=self.tuning, seed=self.seed, begun=share)

    def _choose(
        self,
        state: State,
        competing: Sequence[Sequence[Channel]],
        points: Mapping[str, int],
        whole: nn.Module,
        probed: Probed,
        course: Course,
    ) -> list[Channel]:
        """The channels that go; the weights of `probed` that meet the others are optimised, and those are zero."""
        weights, places = _first_weights(state, probed.network), [layer.name for layer in state.model.layers]
        images, labels = course.images(self.images, self.seed)
        gone: list[Channel] = []
        for cluster in competing:
            met = [(meeting, weights[meeting.layer]) for meeting in _meetings(cluster, state)]
            stay = max(len(cluster) - round(self.share * len(cluster)), 1)
            if not met or stay == len(cluster):
                continue
            layers = [meeting.layer for meeting, _ in met]
            last = max(places.index(layer) for layer in layers)
            point = next((path for path, place in points.items() if place >= last), None)
            with losing(probed, whole, layers, point, images, labels, self.discrimination) as loss:
                choice = Choice(len(cluster), stay, met, loss)
                kept = choice.greedy(course.each(range(self.additions)), self.additions, self.tolerance)
            gone += [channel for place, channel in enumerate(cluster) if place not in kept]
        return gone

    def _points(self, state: State, competing: Sequence[Sequence[Channel]]) -> dict[str, int]:
        """Map that a classifier reads -> the place of its layer: evenly among those whose channels compete."""
        maps = {
            layer: path
            for cluster in competing
            for (layer, _), (path, _) in zip(cluster[0].rows, cluster[0].maps, strict=True)
        }
        hidden = [(maps[layer.name], place) for place, layer in enumerate(state.model.layers) if layer.name in maps]
        chosen = {number * (len(hidden) + 1) // (self.classifiers + 1) for number in range(1, self.classifiers + 1)}
        return dict(hidden[number - 1] for number in sorted(chosen - {0}))


def _first_weights(state: State, module: nn.Module) -> dict[str, nn.Parameter]:
    """Layer -> what holds the weights that meet its input: of several factors the first one's."""
    found = {}
    for layer in state.model.layers:
        factored = state.forms[layer.name].factored
        found[layer.name] = module.get_parameter(f"{layer.name}.0.weight" if factored else layer.parameter)
    return found


def _meetings(cluster: Sequence[Channel], state: State) -> list[Meeting]:
    """Where a cluster is multiplied next, with the rows of the first factor, all of which read every group."""
    return [
        replace(one, start=0, stop=len(state.forms[one.layer].parts[0].values))
        if state.forms[one.layer].factored
        else one
        for one in meetings(cluster)
    ]
