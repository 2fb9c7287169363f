"""A soft mask on structures of a network, learned by the fast iterative shrinkage-thresholding algorithm."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.evidence import Channel
from workbench.methods.prune._emptied import emptied_state

if TYPE_CHECKING:
    from workbench.network.state import State

_MEASURED = 10  # steps after which their length is measured anew
_POWERS = 3
_CAUTION = 0.5  # of the longest step that the curvature allows, which grows as the weights make up for the mask


@dataclass(frozen=True)
class Structures:
    """What has a factor each. apart: numbers of those of which at least one must stay, in sets."""

    found: tuple[Channel, ...]
    apart: tuple[tuple[int, ...], ...]


class SoftMask:
    """Factors m [structures], 1 in the beginning, by which the maps of each structure are multiplied.

    A pass in training takes the point y from which the next step goes, one in evaluation m itself.
    """

    def __init__(self, structures: Structures, module: nn.Module, linear: Sequence[str]) -> None:
        """module: the network, whose maps are multiplied from now on. linear: its layers whose channels come last."""
        count = len(structures.found)
        self._structures = structures
        self.values, self.point = torch.ones(count), torch.ones(count, requires_grad=True)
        self._momentum, self._steps, self._least, self.rate = 1.0, 0, 0.0, 0.0
        self._direction = torch.ones(count) / math.sqrt(count)
        places: dict[str, dict[int, int]] = defaultdict(dict)
        for number, one in enumerate(structures.found):
            for path, channel in one.maps:
                places[path][channel] = number
        for path, numbers in places.items():
            module.get_submodule(path).register_forward_hook(partial(self._scaled, numbers, path in linear))
        self._network = module

    def _scaled(self, numbers: dict[int, int], last: bool, module: nn.Module, inputs: object, z: Tensor) -> Tensor:
        axis = z.ndim - 1 if last else 1
        chosen = torch.tensor([numbers.get(channel, len(self.values)) for channel in range(z.shape[axis])])
        factors = torch.cat([self.point if self._network.training else self.values, torch.ones(1)])[chosen]
        return z * factors.reshape([-1 if place == axis else 1 for place in range(z.ndim)])

    def measure(self, answers: Tensor) -> None:
        """See how much `answers` [images, ...], of a pass in training, bend with the mask: how long steps may be.

        Before the first step, and then now and again. They never get longer than they were: of a network of which
        little is left nothing bends any more.
        """
        if self._steps % _MEASURED == 0:
            found, self._direction = curvature(answers, self.point, self._direction)
            self._least = self._least or max(found, 1e-12)
            self.rate = _CAUTION / max(found, self._least)

    def step(self, strength: float) -> None:
        """One step down the gradient that a backward pass has left at the point, and the threshold of strength · ‖m‖₁.

        Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sciences 2(1), 2009,
        section 4, begun anew where its momentum leads uphill (O'Donoghue and Candès, Found. Comput. Math. 15, 2015,
        section 3.2). Where all of a set would become zero, the largest of it stays as it was before the threshold.
        """
        assert self.point.grad is not None
        with torch.no_grad():
            lower = self.point - self.rate * self.point.grad
            values = soft_threshold(lower, self.rate * strength)
            for numbers in self._structures.apart:
                places = list(numbers)
                if not values[places].any():
                    largest = places[int(lower[places].abs().argmax())]
                    values[largest] = lower[largest]
            if (self.point - values) @ (values - self.values) > 0:
                self._momentum = 1.0
            momentum = (1 + math.sqrt(1 + 4 * self._momentum**2)) / 2
            self.point.copy_(values + (self._momentum - 1) / momentum * (values - self.values))
            self.values, self._momentum, self.point.grad = values, momentum, None
            self._steps += 1

    @property
    def gone(self) -> list[Channel]:
        """The structures whose factor is zero."""
        return [one for value, one in zip(self.values.tolist(), self._structures.found, strict=True) if value == 0]

    def folded(self, state: State) -> State:
        """The network that computes the same without a mask: factors in weights, biases and norms, zeros emptied."""
        forms, rest = dict(state.forms), {name: tensor.copy() for name, tensor in state.model.rest.items()}
        scales = {name: torch.ones(forms[name].shape[0]).numpy() for name in forms}
        for value, one in zip(self.values.tolist(), self._structures.found, strict=True):
            for (layer, row), (path, channel) in zip(one.rows, one.maps, strict=True):
                if f"{path}.weight" in rest:  # of a batch norm; a layer's own is no part of the rest
                    rest[f"{path}.weight"][channel] *= value
                else:
                    scales[layer][row] *= value
                if f"{path}.bias" in rest:
                    rest[f"{path}.bias"][channel] *= value
        for name, scale in scales.items():
            if (scale != 1).any():
                last = forms[name].parts[-1].values
                values = [
                    *(part.values for part in forms[name].parts[:-1]),
                    last * scale.reshape(-1, *[1] * (last.ndim - 1)),
                ]
                forms[name] = forms[name].with_values(values)
        return emptied_state(state.with_forms(forms).with_rest(rest), self.gone, forms)


def soft_threshold(values: Tensor, amount: float) -> Tensor:
    """sign(x) · max(0, |x| − amount): the proximal step of amount · ‖x‖₁, with exact zeros."""
    return values.sign() * (values.abs() - amount).clamp(min=0)


def curvature(answers: Tensor, point: Tensor, direction: Tensor) -> tuple[float, Tensor]:
    """The largest eigenvalue of E[JᵀJ], J the derivative of an image's answers by `point`, and its eigenvector.

    answers: [images, ...], of a pass that took `point` [n]. direction: [n], from which the power method goes on. Of
    half the squared distance of the answers from others the eigenvalue is the curvature, but for how J changes.
    """
    answers = answers.flatten(1)
    signal = torch.zeros_like(answers, requires_grad=True)
    (back,) = torch.autograd.grad(answers, point, signal, create_graph=True)
    found = 0.0
    for _ in range(_POWERS):
        (forward,) = torch.autograd.grad(back, signal, direction, retain_graph=True)
        (product,) = torch.autograd.grad(answers, point, forward, retain_graph=True)
        found = float(product.norm()) / len(answers)
        if found == 0:
            break
        direction = product / product.norm()
    return found, direction
