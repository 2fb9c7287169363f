"""Second moments of what a layer is multiplied with."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from workbench.calibration.running import asked, batches, failing
from workbench.calibration.unrolled import unrolled
from workbench.data.split import Split
from workbench.evidence import Floats, Layout
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.state import State

WIDEST = 4608  # columns, whose moments take 170 MB


def no_moments(layer: Layer, layout: Layout) -> str | None:
    """See `Evidence.no_moments`."""
    columns = math.prod(layer.shape[1:])
    if layout.not_unrolled or columns <= WIDEST:
        return layout.not_unrolled
    return f"sums {columns:,} products for an output, and more than {WIDEST:,} are too many"


def moments(state: State, layer: Layer, images: Split, cancelled: Callable[[], bool]) -> Floats:
    """See `Evidence.moments`; one pass forward.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    columns = math.prod(layer.shape[1:])
    module, found = state.module(), torch.zeros(layer.groups, columns, columns, dtype=torch.double)
    seen = 0

    def see(original: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal seen
        rows = unrolled(original, inputs[0]).transpose(0, 1).transpose(2, 3).reshape(layer.groups, -1, columns).double()
        found.add_(rows.mT @ rows)
        seen += rows.shape[1]

    for path in layer.paths:
        original = state.model.module.get_submodule(path)  # in whose place several factors may stand
        module.get_submodule(path).register_forward_pre_hook(lambda _, x, original=original: see(original, x))
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            module(batch)
    return (found / max(seen, 1)).numpy()
