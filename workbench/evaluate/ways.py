"""The ways to run a network, found by trying them."""

from __future__ import annotations

import logging

import torch

from workbench.evaluate.lane_network import LaneNetwork
from workbench.evaluate.network import Network, Whole
from workbench.evaluate.torch_network import TorchNetwork
from workbench.model import Model

_log = logging.getLogger(__name__)


def ways(model: Model) -> tuple[Network, ...]:
    """All that give the scores that the model's own module gives. The last one suits any forms."""
    example = torch.rand(2, *model.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.module(example)
        for layout in (torch.channels_last, torch.contiguous_format):
            try:
                network = TorchNetwork(model, example, layout)
                if not _gives(network, model, example, expected):
                    continue
            except Exception:  # a user's module may resist in any way; it is then run as it is
                _log.debug("%s cannot be taken apart", model.name, exc_info=True)
                continue
            try:
                lanes = LaneNetwork(model, network.graph, example)
                return (lanes, network) if _gives(lanes, model, example, expected) else (network,)
            except ValueError as error:
                _log.debug("%s cannot be run on images in lanes: %s", model.name, error)
                return (network,)
    return (Whole(model),)


def _gives(network: Network, model: Model, example: torch.Tensor, expected: torch.Tensor) -> bool:
    for layer in model.layers:
        network.fill(layer, layer.form)
    (scores,) = network.run(network.begin(example), 0)
    bound = 1e-4 * float(expected.abs().max())
    return torch.allclose(scores[: len(example)], expected, rtol=1e-3, atol=bound)
