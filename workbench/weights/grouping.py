"""Which weights of a tensor share a scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Granularity = Literal["tensor", "channel", "group"]


@dataclass(frozen=True)
class Grouping:
    """Which weights share one scale.

    `tensor`: all of them. `channel`: one scale per output channel (row of the [out, in·kh·kw] matrix).
    `group`: runs of `size` consecutive weights inside a row, the last run of a row being shorter.
    """

    granularity: Granularity
    size: int = 64

    def runs_per_row(self, shape: tuple[int, ...]) -> int:
        columns = int(np.prod(shape[1:]))
        return -(-columns // self.size) if self.granularity == "group" else 1

    def count(self, shape: tuple[int, ...]) -> int:
        """Number of groups in a tensor of `shape`."""
        return 1 if self.granularity == "tensor" else shape[0] * self.runs_per_row(shape)

    def of(self, places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The groups of the weights at `places` of the flattened tensor."""
        if self.granularity == "tensor":
            return np.zeros_like(places)
        row, column = np.divmod(places, math.prod(shape[1:]))
        return row * self.runs_per_row(shape) + (column // self.size if self.granularity == "group" else 0)

    def index(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The group of every weight, in the tensor's own shape."""
        return self.of(np.arange(math.prod(shape)), shape).reshape(shape)

    def spread(self, per_group: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """`per_group` laid out so that it broadcasts against a tensor of `shape`; no copy but for `group`."""
        if self.granularity == "tensor":
            return per_group
        if self.granularity == "channel":
            return per_group.reshape(-1, *[1] * (len(shape) - 1))
        columns = int(np.prod(shape[1:]))
        rows = np.repeat(per_group.reshape(shape[0], self.runs_per_row(shape)), self.size, axis=1)[:, :columns]
        return np.ascontiguousarray(rows).reshape(shape)

    def run(self, shape: tuple[int, ...]) -> int | None:
        """Weights in a row that share a scale, as the kernels take it; None where all weights do."""
        if self.granularity == "tensor":
            return None
        return self.size if self.granularity == "group" else max(math.prod(shape[1:]), 1)
