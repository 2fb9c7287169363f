"""How each feature map of a network responds to each calibration image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.calibration.maps import Maps, over_positions
from workbench.calibration.running import asked, batches, failing
from workbench.data.split import Split
from workbench.evidence import Channels, Floats
from workbench.models.exits import passing
from workbench.network.state import State


def responses(state: State, channels: Channels, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.responses`; one pass forward.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    maps, module = Maps(state.model, channels), state.module()
    found: dict[str, list[Floats]] = {}
    sums: dict[str, torch.Tensor] = {}
    positions: dict[str, int] = {}

    def see(owner: str, z: torch.Tensor, axis: int) -> None:
        sums[owner] = over_positions(z.clamp(min=0), axis) + sums.get(owner, 0.0)  # as often as it is called
        positions[owner] = z[0].numel() // z.shape[axis] + positions.get(owner, 0)

    maps.show(module, see)
    with failing(state.model, "does not run on its calibration images"), torch.inference_mode(), passing(module):
        for batch in batches(state, images):
            asked(cancelled)
            sums.clear()
            positions.clear()
            module(batch)
            for owner, total in sums.items():
                found.setdefault(owner, []).append((total / positions[owner]).double().numpy())
    return maps.by_layer({owner: np.concatenate(pieces) for owner, pieces in found.items()})
