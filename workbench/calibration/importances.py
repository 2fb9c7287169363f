"""How much each feature map matters to the loss, to first order."""

from __future__ import annotations

from collections.abc import Callable

import torch

from workbench.calibration.maps import Maps
from workbench.calibration.running import BATCH, asked, batches, failing
from workbench.data.split import Split
from workbench.evidence import Channels, Floats
from workbench.models.exits import passing
from workbench.network.state import State
from workbench.tasks import TASKS


def first_order(state: State, channels: Channels, images: Split, cancelled: Callable[[], bool]) -> dict[str, Floats]:
    """Layer -> see `Evidence.importances`; one pass forward and back.

    Raises ModelError where the network gives no gradients on the images, and Stopped between two batches.
    """
    assert state.model.data is not None
    maps = Maps(state.model, channels)
    loss_of, gates = TASKS[state.model.data.task].loss, _Gates(state, maps)
    totals: dict[str, Floats] = {}
    with failing(state.model, "gives no gradients on its calibration images"):
        for batch, truth in zip(batches(state, images), images.targets().split(BATCH), strict=True):
            asked(cancelled)
            for owner, effects in gates.effects(batch, lambda y: loss_of(y, truth)).items():  # noqa: B023 (called at once)
                totals[owner] = totals.get(owner, 0.0) + effects.abs().double().sum(0).numpy()
    return maps.by_layer({owner: total / len(images) for owner, total in totals.items()})


class _Gates:
    """A network whose maps are multiplied by gates of 1, one for each image and channel.

    The loss's gradient at a gate is the sum over positions of z · ∂C/∂z, whatever becomes of z afterwards.
    """

    def __init__(self, state: State, maps: Maps) -> None:
        self._module = state.module()
        self._gates: list[tuple[str, torch.Tensor, int]] = []  # owner, gates, positions
        maps.show(self._module, self._gate)

    def _gate(self, owner: str, z: torch.Tensor, axis: int) -> torch.Tensor:
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
