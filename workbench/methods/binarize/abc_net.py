"""ABC-Net: weights and inputs are sums of binary numbers, and the network is trained so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from workbench.evidence import Layout
from workbench.method import METHODS, Course, Layerwise, Trained, setting
from workbench.methods._straight_through import used_as
from workbench.methods.binarize._signs import end_of_network
from workbench.weights.levels.shifted_signs import ShiftedSigns

if TYPE_CHECKING:
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class AbcNet(Trained):
    """Weights are Σ α_m B_m, M bases, anew in each step; inputs Σ β_n A_n, A_n the sign of clip(x + v_n, 0, 1) − ½.

    Gradients go straight through the signs, of inputs where the clip lets them; v and β of each layer are learned with
    the weights. They begin so that the N thresholds part the range of what enters the layer evenly. The products run as
    M · N products of signs. The first and the last layer stay as they are.
    """

    catalogue = ("BT-07",)
    title = "ABC-Net"
    paper = "Lin, Zhao, Pan, Towards accurate binary convolutional neural network, NeurIPS 2017, sections 3.1 and 3.2"

    bases: int = setting(3, "How many binary bases a weight is a sum of (M).", low=1, high=5, step=1)
    activations: int = setting(3, "How many binary numbers an input is a sum of (N).", low=1, high=5, step=1)
    epochs: int = setting(8, "Passes over the training images.", low=1, high=100, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return layout.unroundable

    def exemption(self, layout: Layout) -> str | None:
        return end_of_network(layout)

    def stand_in(self) -> Layerwise:
        chosen = {"bases": self.bases}
        return cast(Layerwise, METHODS["binarize.bases"](**chosen))

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        evidence, module, method = course.evidence(state), state.module(), self.stand_in()
        hold, sums = state.holding_zeros(module), {}
        for name in layers:
            inputs, place = evidence.inputs(name), module.get_submodule(name)
            width = max(float(np.sqrt(inputs.energy.mean())), 1e-6)
            sums[name] = _Sums(place, self.activations, min(inputs.low, 0.0) / width, width)
        end = used_as(module, layers, method)
        course.fit(module, epochs=self.epochs, learning_rate=1e-3, seed=self.seed, after_step=lambda step: hold())
        end()
        entering = {name: one.end() for name, one in sums.items()}
        state = state.trained(module)
        forms = method.apply({name: state.forms[name] for name in layers})
        yield state.with_forms({name: form.with_entering(entering[name]) for name, form in forms.items()})


class _Sums:
    """Before a layer, its input as a sum of binary numbers, whose thresholds and shares are parameters of the layer.

    width: the root mean square of what enters, by which the clip is as wide; the shares are of numbers of that size.
    """

    def __init__(self, place: nn.Module, count: int, low: float, width: float) -> None:
        thresholds = (torch.arange(count, dtype=torch.float32) + 0.5) / count * (1.5 - max(low, -1.5)) + max(low, -1.5)
        self._place, self._width = place, width
        place.register_parameter("binary_shifts", nn.Parameter(-thresholds))
        place.register_parameter("binary_shares", nn.Parameter(torch.full((count,), width / count)))
        self._handle = place.register_forward_pre_hook(self)

    def __call__(self, place: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0] / self._width
        total = torch.zeros_like(x)
        shifts, shares = place.get_parameter("binary_shifts"), place.get_parameter("binary_shares")
        for shift, share in zip(shifts, shares, strict=True):
            clipped = (x + shift + 0.5).clamp(0, 1)
            sign = torch.where(clipped >= 0.5, 1.0, -1.0)
            total = total + share * (clipped + (sign - clipped).detach())
        return total, *inputs[1:]

    def end(self) -> ShiftedSigns:
        """The layer is as it was, and its input's levels are given."""
        self._handle.remove()
        shifts, shares = (self._place.get_parameter(name).detach() for name in ("binary_shifts", "binary_shares"))
        found = ShiftedSigns((shifts * self._width).numpy().copy(), shares.numpy().copy())
        for name in ("binary_shifts", "binary_shares"):
            delattr(self._place, name)
        return found
