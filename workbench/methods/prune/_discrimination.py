"""What chooses channels by how much a loss asks for them: classifiers inside a network, and the greedy choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.methods.prune._meetings import Meeting

_STEPS = 10  # of L-BFGS after each round


class Probed(nn.Module):
    """A network with linear classifiers of what its maps are behind a ReLU, averaged over positions."""

    def __init__(
        self, network: nn.Module, maps: Sequence[str], linear: Sequence[str], example: Tensor, seed: int
    ) -> None:
        """maps: the modules that give them, channels along axis 1; of those in `linear` along the last. example: one
        image. seed: of the classifiers' first weights."""
        super().__init__()
        self.network = network
        self._linear = frozenset(linear)
        self._seen: dict[str, Tensor] = {}
        for path in maps:
            network.get_submodule(path).register_forward_hook(partial(self._see, path))
        with torch.no_grad():
            classes = network(example).shape[1]
            widths = [self._pooled(path).shape[1] for path in maps]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._heads = nn.ModuleList(nn.Linear(width, classes) for width in widths)
        self._places = {path: place for place, path in enumerate(maps)}

    def _see(self, path: str, module: nn.Module, inputs: object, z: Tensor) -> None:
        self._seen[path] = z

    def _pooled(self, path: str) -> Tensor:
        """[images, channels]."""
        z = functional.relu(self._seen[path])
        z = z.movedim(-1 if path in self._linear else 1, -1)
        return z.reshape(len(z), -1, z.shape[-1]).mean(1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images)
        return scores

    def scores(self, path: str) -> Tensor:
        """[images, classes] of the classifier there, in the last pass."""
        found: Tensor = self._heads[self._places[path]](self._pooled(path))
        return found

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of the network's own scores and of those of every classifier, added up."""
        total = functional.cross_entropy(self(images), labels)
        return sum((functional.cross_entropy(self.scores(path), labels) for path in self._places), total)


@dataclass(frozen=True)
class Choice:
    """Which channels of a cluster stay, out of what the rows multiply that meet them.

    count: how many channels there are. stay: how many of them stay at most. met: each meeting with the weight of its
    layer in the network. loss: of the network as it is, a scalar.
    """

    count: int
    stay: int
    met: Sequence[tuple[Meeting, nn.Parameter]]
    loss: Callable[[], Tensor]

    def greedy(self, rounds: Iterable[int], number: int, tolerance: float) -> list[int]:
        """Places in the cluster of the channels that stay; the weights that meet them are optimised, the others zero.

        Zhuang et al. 2018, algorithm 2. From W = 0 on, the channels k of largest ‖∂L/∂W_k‖_F are added, as many as each
        of `number` rounds allows, with the weights that they had; then L is minimised over the weights of those that
        have been. It ends before where a round changes L by no more than that share of what it was in the beginning.
        """
        weights = {meeting.layer: weight for meeting, weight in self.met}
        before = {layer: weight.detach().clone() for layer, weight in weights.items()}
        there = {layer: (weight != 0).float() for layer, weight in before.items()}
        nothing = {layer: torch.zeros_like(weight) for layer, weight in before.items()}
        free = {layer: torch.zeros_like(weight) for layer, weight in before.items()}
        for weight in weights.values():
            weight.requires_grad_(True)
        try:
            self._fill(weights, nothing, range(self.count))
            chosen: list[int] = []
            lost = first = self._gradients(weights)
            for one in rounds:
                wanted = round(self.stay * (one + 1) / number) - len(chosen)
                if wanted == 0:
                    continue
                norms = self._norms()
                norms[chosen] = -1
                new = norms.argsort(descending=True, stable=True)[:wanted].tolist()
                chosen += new
                self._fill(weights, before, new)
                self._fill(free, there, new)  # what an earlier step made zero stays zero
                self._minimise(weights, free)
                last, lost = lost, self._gradients(weights)
                if abs(last - lost) <= tolerance * first:
                    break
        finally:
            for weight in weights.values():
                weight.requires_grad_(False)
                weight.grad = None
        return sorted(chosen)

    def _fill(self, tensors: Mapping[str, Tensor], values: Mapping[str, Tensor], channels: Iterable[int]) -> None:
        """Copy what meets these channels."""
        chosen = set(channels)
        with torch.no_grad():
            for meeting, _ in self.met:
                columns = [
                    column
                    for place, some in zip(meeting.channels, meeting.columns, strict=True)
                    if place in chosen
                    for column in some
                ]
                rows = slice(meeting.start, meeting.stop)
                tensors[meeting.layer][rows, columns] = values[meeting.layer][rows, columns]

    def _gradients(self, weights: dict[str, nn.Parameter]) -> float:
        """The loss; every weight has its gradient then."""
        for weight in weights.values():
            weight.grad = None
        loss = self.loss()
        loss.backward()
        return float(loss.detach())

    def _norms(self) -> Tensor:
        """[channels]: ‖∂L/∂W_k‖_F."""
        squares = torch.zeros(self.count)
        for meeting, weight in self.met:
            assert weight.grad is not None
            for place, columns in zip(meeting.channels, meeting.columns, strict=True):
                squares[place] += weight.grad[meeting.start : meeting.stop, list(columns)].square().sum()
        return squares.sqrt()

    def _minimise(self, weights: dict[str, nn.Parameter], free: dict[str, Tensor]) -> None:
        """The loss over the weights that are free, as far as `_STEPS` steps go."""
        optimiser = torch.optim.LBFGS(weights.values(), max_iter=_STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            loss = self.loss()
            loss.backward()
            for layer, weight in weights.items():
                assert weight.grad is not None
                weight.grad = (weight.grad * free[layer]).contiguous()
            return loss

        optimiser.step(closure)


@contextmanager
def losing(
    probed: Probed,
    whole: nn.Module,
    layers: Iterable[str],
    point: str | None,
    images: Tensor,
    labels: Tensor,
    discrimination: float,
) -> Iterator[Callable[[], Tensor]]:
    """½ mean (O − O_b)² + discrimination · CE of the network as it is, for as long as that is asked for.

    O are the outputs of these layers, O_b those that they have in `whole`; CE the cross entropy of the classifier at
    `point`, of the network's own answers where that is None.
    """
    seen: dict[str, Tensor] = {}

    def keep(layer: str, module: nn.Module, inputs: object, z: Tensor) -> Tensor:
        seen[layer] = z
        return z.clone()  # what follows may work in place

    names = sorted(set(layers))
    hooks = [
        network.get_submodule(name).register_forward_hook(partial(keep, name))
        for network in (whole, probed.network)
        for name in names
    ]
    with torch.no_grad():
        whole(images)
    expected = dict(seen)

    def loss() -> Tensor:
        scores = probed(images)
        total = sum((functional.mse_loss(seen[name], expected[name]) / 2 for name in names), torch.zeros(()))
        if discrimination:
            told = scores if point is None else probed.scores(point)
            total = total + discrimination * functional.cross_entropy(told, labels)
        return total

    try:
        yield loss
    finally:
        for hook in hooks:
            hook.remove()
