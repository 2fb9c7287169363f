"""What tasks share whose scores say yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


def check_ending(task: str, threshold: float, last: str) -> None:
    """Raises DataError where the scores of a network that ends in the operator `last` are no logits, and should be."""
    if last == "sigmoid" and threshold == 0:
        raise DataError(f"The network ends in a sigmoid, which gives probabilities: say task='{task}-probability'.")


def smoothed(truth: Tensor, smoothing: float) -> Tensor:
    """Zeros and ones, of which that share is spread over both."""
    return truth * (1 - smoothing) + smoothing / 2
