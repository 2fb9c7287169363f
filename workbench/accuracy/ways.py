"""The ways to run a network, found by trying them."""

from __future__ import annotations

import logging

import torch

from workbench.accuracy.lane_network import LaneNetwork
from workbench.accuracy.network import Network, Whole
from workbench.accuracy.torch_network import TorchNetwork
from workbench.network.model import Model

_log = logging.getLogger(__name__)


def ways(model: Model) -> tuple[Network, ...]:
    """All that there may be, the last of which suits any forms and `gives` the model's scores."""
    if any(layer.special or layer.kind == "conv1d" for layer in model.layers):  # what only the module itself can do
        return (Whole(model),)
    example = model.noise(2)
    for layout in (torch.channels_last, torch.contiguous_format):
        try:
            with torch.no_grad():
                network = TorchNetwork(model, example, layout)
        except Exception:  # a user's module may resist in any way; it is then run as it is
            _log.debug("%s cannot be taken apart", model.name, exc_info=True)
            continue
        if not gives(network, model):
            continue
        try:
            with torch.no_grad():
                return LaneNetwork(model, network.graph, example), network
        except ValueError as error:
            _log.debug("%s cannot be run on images in lanes: %s", model.name, error)
            return (network,)
    return (Whole(model),)


def gives(network: Network, model: Model) -> bool:
    """Whether `network`, which is filled anew, gives the scores that the model's own module gives."""
    example = model.noise(2)
    try:
        with torch.no_grad():
            for layer in model.layers:
                network.fill(layer, layer.form)
            (scores,) = network.run(network.begin(example), 0)
            expected = model.module(example)
            bound = 1e-4 * float(expected.abs().max())
            return torch.allclose(scores[: len(example)], expected, rtol=1e-3, atol=bound)
    except Exception:
        _log.debug("%s cannot be run as %s", model.name, type(network).__name__, exc_info=True)
        return False
