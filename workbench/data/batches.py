"""How images are put together to batches."""

from __future__ import annotations

from torch import Tensor, cat


def batches(images: Tensor, size: int) -> tuple[Tensor, ...]:
    """`size` at a time, in their order; one that would be alone at the end joins the batch before it.

    For a batch norm of features has nothing to take a variance of where there is a single image.
    """
    *whole, last = images.split(size)
    return (*whole[:-1], cat((whole[-1], last))) if whole and len(last) == 1 and size > 1 else (*whole, last)
