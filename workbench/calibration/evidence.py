"""Evidence of one state of a network, worked out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial

import numpy as np
import torch

from workbench.cache import Cache
from workbench.data.split import Split
from workbench.errors import DataError, ModelError, Stopped, reason
from workbench.evidence import Channels, Evidence, Floats, Inputs
from workbench.models.exits import passing
from workbench.network.couplings import couplings
from workbench.network.geometry import uses
from workbench.network.state import State
from workbench.tasks import TASKS

_BATCH = 100
_BINS = 2048
_coupled: Cache[Channels] = Cache(ceiling=16 * 2**20)
_known: Cache[object] = Cache(ceiling=64 * 2**20)


class Calibration(Evidence):
    """Of `state`, on the calibration images of its model's data set."""

    def __init__(self, state: State, digest: str, cancelled: Callable[[], bool] = lambda: False) -> None:
        """digest: of the model and the recipe that gave `state`, under which the evidence is kept."""
        self._state, self._digest, self._cancelled = state, digest, cancelled

    def inputs(self, layer: str) -> Inputs:
        return self._inputs[layer]

    def thresholds(self) -> Mapping[str, str]:
        return self._state.model.thresholds

    def channels(self) -> Channels:
        return _coupled.get("channels", lambda: couplings(self._state.model), self._state.model)

    def importances(self, layer: str) -> Floats:
        return self._importances[layer]

    def macs(self, layer: str | None = None) -> int:
        chosen = self._state.model.layers if layer is None else (self._state.model.layer(layer),)
        return sum(use.macs for one in chosen for use in uses(one, self._state.forms[one.name]))

    @cached_property
    def _importances(self) -> Mapping[str, Floats]:
        key = "importances", self._digest, self._split.digest
        return _known.get(  # type: ignore[return-value]
            key, lambda: first_order(self._state, self.channels(), self._split, self._cancelled)
        )

    @cached_property
    def _inputs(self) -> Mapping[str, Inputs]:
        key = "inputs", self._digest, self._split.digest
        return _known.get(key, lambda: measured_inputs(self._state, self._split, self._cancelled))  # type: ignore[return-value]

    @cached_property
    def _split(self) -> Split:
        data = self._state.model.data
        if data is None:
            raise DataError(f"{self._state.model.name} has no data set, so there are no images to calibrate on.")
        return data.split("calibration")


def measured_inputs(state: State, images: Split, cancelled: Callable[[], bool]) -> dict[str, Inputs]:
    """Layer -> what enters it: one pass for the ranges, one for the histograms.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    squares: dict[str, Floats] = {}
    seen: dict[str, int] = {}

    def widen(layer: str, x: torch.Tensor) -> None:
        lows[layer] = min(lows.get(layer, np.inf), float(x.min()))
        highs[layer] = max(highs.get(layer, -np.inf), float(x.max()))
        channels = x.flatten(2).transpose(1, 2).flatten(0, 1) if x.ndim > 2 and _is_convolution(state, layer) else x
        channels = channels.reshape(-1, channels.shape[-1]).double()
        squares[layer] = squares.get(layer, 0.0) + channels.square().sum(0).numpy()
        seen[layer] = seen.get(layer, 0) + len(channels)

    _watch(state, images, widen, cancelled)
    counts = {layer: np.zeros(_BINS) for layer in lows}

    def count(layer: str, x: torch.Tensor) -> None:
        low, high = lows[layer], highs[layer]
        if high > low:
            counts[layer] += torch.histc(x.float(), _BINS, low, high).double().numpy()
        else:
            counts[layer][0] += x.numel()

    _watch(state, images, count, cancelled)
    return {
        layer: Inputs(
            low=lows[layer],
            high=highs[layer],
            edges=np.linspace(lows[layer], highs[layer], _BINS + 1),
            counts=counts[layer],
            energy=squares[layer] / seen[layer],
        )
        for layer in lows
    }


def first_order(state: State, channels: Channels, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.importances`; one pass forward and back.

    Raises ModelError where the network gives no gradients on the images, and Stopped between two batches.
    """
    assert state.model.data is not None
    loss_of, gates = TASKS[state.model.data.task].loss, _Gates(state, channels)
    totals: dict[str, Floats] = {}
    try:
        for batch, truth in zip(_batches(state, images), images.targets().split(_BATCH), strict=True):
            if cancelled():
                raise Stopped
            for path, effects in gates.effects(batch, lambda y: loss_of(y, truth)).items():  # noqa: B023 (called at once)
                totals[path] = totals.get(path, 0.0) + effects.abs().double().sum(0).numpy()
    except Stopped:
        raise
    except Exception as error:  # a user's module may fail in any way
        why = f"gives no gradients on its calibration images: {reason(error)}"
        raise ModelError(f"{state.model.name} {why}.") from error
    stands = {
        row: place
        for cluster in channels.clusters
        for channel in cluster
        for row, place in zip(channel.rows, channel.maps, strict=True)
    }
    found: dict[str, Floats] = {}
    for layer in state.model.layers:
        if not layer.called:
            continue
        places = [stands.get((layer.name, row), (layer.name, row)) for row in range(layer.shape[0])]
        found[layer.name] = np.array([totals[path][channel] for path, channel in places]) / len(images)
    return found


class _Gates:
    """A network whose maps are multiplied by gates of 1, one for each image and channel.

    The loss's gradient at a gate is the sum over positions of z · ∂C/∂z, whatever becomes of z afterwards.
    """

    def __init__(self, state: State, channels: Channels) -> None:
        self._module = state.module()
        self._gates: list[tuple[str, torch.Tensor, int]] = []  # module, gates, positions
        norms = {path for cluster in channels.clusters for channel in cluster for path, _ in channel.maps}
        owners = dict.fromkeys(norms, ("", "conv2d")) | {
            path: (layer.name, layer.kind) for layer in state.model.layers for path in layer.paths
        }
        for path, (layer, kind) in owners.items():
            gate = partial(self._gate, layer or path, kind == "linear")
            self._module.get_submodule(path).register_forward_hook(gate)

    def _gate(self, owner: str, last: bool, module: object, inputs: object, z: torch.Tensor) -> torch.Tensor:
        axis = z.ndim - 1 if last else 1
        gate = torch.ones(len(z), z.shape[axis], requires_grad=True)
        self._gates.append((owner, gate, z[0].numel() // z.shape[axis]))
        return z * gate.reshape([size if place in (0, axis) else 1 for place, size in enumerate(z.shape)])

    def effects(self, images: torch.Tensor, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
        """Module -> [images, channels], the mean over positions; loss_of: of outputs, a mean over images."""
        self._gates.clear()
        with passing(self._module):
            loss = loss_of(self._module(images)) * len(images)  # each image has its own loss, not a share of the mean
        gradients = torch.autograd.grad(loss, [gate for _, gate, _ in self._gates], materialize_grads=True)
        sums: dict[str, torch.Tensor] = {}
        positions: dict[str, int] = {}
        for (owner, _, spread), gradient in zip(self._gates, gradients, strict=True):  # as often as it was called
            rows = gradient.reshape(len(images), -1, gradient.shape[-1])
            sums[owner] = rows.sum(1) + sums.get(owner, 0.0)
            positions[owner] = rows.shape[1] * spread + positions.get(owner, 0)
        return {owner: total / positions[owner] for owner, total in sums.items()}


def _watch(
    state: State, images: Split, see: Callable[[str, torch.Tensor], None], cancelled: Callable[[], bool]
) -> None:
    """Run the images and show `see` what enters each layer."""
    module = state.module()
    hooks = [
        module.get_submodule(path).register_forward_pre_hook(lambda _, x, name=layer.name: see(name, x[0]))
        for layer in state.model.layers
        for path in layer.paths
    ]
    try:
        with torch.inference_mode(), passing(module):  # what enters a layer does not hang on an exit's threshold
            for batch in _batches(state, images):
                if cancelled():
                    raise Stopped
                module(batch)
    except Stopped:
        raise
    except Exception as error:  # a user's module may fail in any way
        why = f"does not run on its calibration images: {reason(error)}"
        raise ModelError(f"{state.model.name} {why}.") from error
    finally:
        for hook in hooks:
            hook.remove()


def _batches(state: State, images: Split) -> Iterator[torch.Tensor]:
    yield from state.model.entering(images.inputs()).split(_BATCH)


def _is_convolution(state: State, layer: str) -> bool:
    return state.model.layer(layer).kind != "linear"
