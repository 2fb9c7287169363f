"""The first kernels of a convolution, as pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.weights.arrays import Floats

MOST = 48


@dataclass(frozen=True, eq=False)
class Filters:
    """Kernels float32 [kernels, kh, kw], output after output, each with its input channels. total: of the layer."""

    before: Floats
    after: Floats
    total: int

    @property
    def largest(self) -> float:
        """The largest magnitude of all that are shown."""
        return float(max(np.abs(self.before).max(initial=0), np.abs(self.after).max(initial=0)))

    def shades(self, kernels: Floats) -> NDArray[np.int8]:
        """−127..127 in the place of −largest..largest; 0 is exactly zero."""
        scaled = kernels / (self.largest or 1.0) * 127
        return (np.sign(scaled) * np.ceil(np.abs(scaled))).clip(-127, 127).astype(np.int8)


def filters(before: Floats, after: Floats) -> Filters | None:
    """Of weights [out, in / groups, kh, kw]; None where they are no kernels of more than one pixel."""
    if before.ndim != 4 or math.prod(before.shape[2:]) == 1:
        return None
    kernels = before.shape[2:]
    return Filters(
        before.reshape(-1, *kernels)[:MOST], after.reshape(-1, *kernels)[:MOST], before.shape[0] * before.shape[1]
    )
