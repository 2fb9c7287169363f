"""Binary classification by a network that ends in a sigmoid, or a softmax of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.tasks._yes_or_no import smoothed
from workbench.tasks.binary import Binary

if TYPE_CHECKING:
    from torch import Tensor


class BinaryProbability(Binary):
    """As `Binary`, but outputs are probabilities: the one says yes above a half."""

    title = "Binary classification by probabilities"
    threshold = 0.5

    @classmethod
    def _probability(cls, scores: Tensor) -> Tensor:
        return scores.clamp(0, 1)

    @classmethod
    def loss(cls, outputs: Tensor, truth: Tensor, smoothing: float = 0.0) -> Tensor:
        """Of two, that of yes; a probability that rounding put outside of 0..1 counts as the end beside it."""
        from torch.nn import functional

        cls.check(tuple(outputs.shape), truth.numpy())
        yes = outputs[:, 1] if outputs.ndim == 2 and outputs.shape[1] == 2 else outputs.reshape(len(truth))
        return functional.binary_cross_entropy(yes.clamp(0, 1), smoothed(truth.float(), smoothing))
