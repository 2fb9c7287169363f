"""How strongly a layer's inputs and outputs go together from image to image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from workbench.calibration.running import asked, batches, failing
from workbench.calibration.unrolled import outputs, unrolled
from workbench.data.split import Split
from workbench.evidence import Floats
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.state import State

_AT_ONCE = 2**24  # weights times positions that sums are held for
_FAINT = 1e-12  # of the mean square: a variance below that is rounding


def correlations(state: State, layer: Layer, images: Split, cancelled: Callable[[], bool]) -> Floats:
    """See `Evidence.correlations`; a pass forward for as many positions as sums are held for at once.

    Raises ModelError where the network does not run on the images, and Stopped between two batches.
    """
    width = max(_AT_ONCE // max(math.prod(layer.shape), 1), 1)
    found, start = torch.zeros(layer.shape, dtype=torch.double), 0
    while True:
        sums = _Sums(slice(start, start + width))
        sums.take(state, layer, images, cancelled)
        if sums.images:
            found += sums.coefficients().abs().sum(1).reshape(layer.shape)
        start += width
        if start >= sums.positions:
            return (found / max(sums.positions, 1)).numpy()


class _Sums:
    """Over images, of what each output of a layer is a sum over, of that sum, their squares and their product.

    window: which positions they are taken at. positions: of all calls of the layer together, when an image was seen.
    """

    def __init__(self, window: slice) -> None:
        self.images = self.positions = 0
        self._window = window
        self._x = self._z = self._xx = self._zz = self._zx = torch.zeros((), dtype=torch.double)

    def take(self, state: State, layer: Layer, images: Split, cancelled: Callable[[], bool]) -> None:
        """Run the images through the network and add up."""
        module = state.module()
        calls: list[tuple[torch.Tensor, torch.Tensor]] = []

        def see(one: nn.Module, inputs: tuple[torch.Tensor, ...], z: torch.Tensor) -> None:
            calls.append((unrolled(one, inputs[0]), outputs(one, z)))

        for path in layer.paths:
            module.get_submodule(path).register_forward_hook(see)
        running = failing(state.model, "does not run on its calibration images")
        with running, torch.inference_mode(), passing(module):
            for batch in batches(state, images):
                asked(cancelled)
                calls.clear()
                module(batch)
                if calls:
                    self._add(*(torch.cat([call[side] for call in calls], 3) for side in (0, 1)))

    def _add(self, x: torch.Tensor, z: torch.Tensor) -> None:
        """[images, groups, columns, positions] and [images, groups, rows, positions]."""
        self.images, self.positions = self.images + len(x), x.shape[3]
        x, z = (side[..., self._window].permute(1, 3, 2, 0).double() for side in (x, z))
        self._x, self._z = self._x + x.sum(3), self._z + z.sum(3)
        self._xx, self._zz = self._xx + x.square().sum(3), self._zz + z.square().sum(3)
        self._zx = self._zx + z @ x.mT

    def coefficients(self) -> torch.Tensor:
        """[groups, positions, rows, columns]: Pearson's, 0 where either never varies."""
        x, z, xx, zz = (one / self.images for one in (self._x, self._z, self._xx, self._zz))
        together = self._zx / self.images - z[..., :, None] * x[..., None, :]
        deviations = _deviations(z, zz)[..., :, None] * _deviations(x, xx)[..., None, :]
        return torch.where(deviations > 0, together / deviations, 0.0)


def _deviations(means: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    variances = squares - means.square()
    return torch.where(variances > _FAINT * squares, variances, 0.0).sqrt()
