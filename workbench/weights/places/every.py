"""Every weight in storage order, zeros included: nothing is said of places."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.sparse.stream import EVERY
from workbench.weights.places import Places, Placing

if TYPE_CHECKING:
    from workbench.weights.blank import Blank
    from workbench.weights.part import Part
    from workbench.weights.reading import Reading
    from workbench.weights.stored import Stored


@dataclass(frozen=True)
class Every(Places):
    """All weights, or all codes where one stands for several weights."""

    @classmethod
    def placings(cls, part: Part, below: float = math.inf) -> Iterable[Placing]:
        return (Placing({}, (), part.size, part.nonzeros < part.size, every=True),)

    @classmethod
    def outlined(cls, part: Blank) -> Iterable[Placing]:
        return cls.placings(part)

    @classmethod
    def of(cls, part: Part, placing: Placing) -> Every:
        return cls()

    def positions(self, shape: tuple[int, ...]) -> None:
        return None

    def arrays(self) -> tuple[Stored, ...]:
        return ()

    def fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, reading: Reading, shape: tuple[int, ...]) -> Every:
        return cls()

    def stream(self) -> tuple[NDArray[np.uint8], int]:
        return np.empty(0, np.uint8), EVERY
