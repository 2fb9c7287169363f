"""What a calibrated method may ask of the network as it stands before its step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Inputs:
    """What enters a layer, over all calibration images and calls.

    low, high: the smallest and largest value. edges: float64 [bins + 1], evenly from low to high. counts: float64
    [bins], how many values lie in each. energy: float64 [channels], the mean square of each input channel.
    """

    low: float
    high: float
    edges: Floats
    counts: Floats
    energy: Floats


class Evidence(ABC):
    """Everything is worked out when it is first asked for, and once.

    Methods of this class raise ModelError where the network cannot be run on calibration images, DataError where it
    has none, and Stopped where the step is no longer wanted.
    """

    @abstractmethod
    def inputs(self, layer: str) -> Inputs:
        """What enters that layer."""
