"""Weights that take their values from a table that is trained, each with a factor of its own."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def gathered(table: Tensor, places: Tensor, factors: Tensor) -> Tensor:
    """table[places] · factors. A value's gradient is the sum over its places, added up in float64."""
    return cast(Tensor, _Gathered.apply(table, places, factors))


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, places: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(places, factors)
        ctx.size = table.numel()
        return table[places] * factors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        places, factors = ctx.saved_tensors
        gradient = (gradients[0] * factors).reshape(-1)
        sums = torch.bincount(places.reshape(-1), gradient.double(), minlength=ctx.size)
        return sums.to(gradients[0].dtype), None, None
