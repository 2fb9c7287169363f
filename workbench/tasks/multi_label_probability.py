"""Multi-label classification by a network that ends in a sigmoid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.tasks._yes_or_no import smoothed
from workbench.tasks.multi_label import MultiLabel

if TYPE_CHECKING:
    from torch import Tensor


class MultiLabelProbability(MultiLabel):
    """As `MultiLabel`, but outputs are probabilities: a class is there where its own is above a half."""

    title = "Multi-label classification by probabilities"
    threshold = 0.5

    @classmethod
    def probabilities(cls, outputs: Tensor) -> NDArray[np.float64]:
        found: NDArray[np.float64] = outputs.detach().double().clamp(0, 1).numpy()
        return found

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        from torch.nn import functional

        return functional.binary_cross_entropy(outputs.clamp(0, 1), smoothed(truth, smoothing))
