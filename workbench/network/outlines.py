"""What operators give on tensors without values: shapes alone, for blank networks.

Torch knows that of every operator ("meta" kernels), but loads its compiler and a computer algebra to tell: two seconds
and 80 MB. Those that networks are mostly made of are told here; any other one is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten


def _empty(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype or like.dtype, device="meta")


def _same(x: Tensor, *others: Any) -> Tensor:
    return _empty(x, x.shape)


def _sum(x: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    if not isinstance(other, Tensor) or other.dtype != x.dtype:
        return torch.add(x, other, alpha=alpha)
    return _empty(x, torch.broadcast_shapes(x.shape, other.shape))


def _convolved(
    x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *others: Any
) -> Tensor:
    if transposed:
        return torch.convolution(x, weight, bias, stride, padding, dilation, transposed, *others)
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    return _empty(x, (x.shape[0], weight.shape[0], *(_steps(*side) for side in sides)))


def _pooled(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: bool = False
) -> tuple[Tensor, Tensor]:
    if ceil:
        return _aten.max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil)
    settings = (_pair(one) for one in (kernel, stride or kernel, padding, dilation))
    shape = (*x.shape[:-2], *(_steps(side, *own) for side, *own in zip(x.shape[-2:], *settings, strict=True)))
    return _empty(x, shape), _empty(x, shape, torch.int64)


def _steps(side: int, size: int, step: int, border: int, reach: int) -> int:
    """How often a window of `size` fits along a side of an image."""
    return (side + 2 * border - reach * (size - 1) - 1) // step + 1


def _pair(values: Any) -> tuple[int, int]:
    return (values[0], values[-1])


def _batch_norm(x: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    """In evaluation mode: no statistics come out."""
    return _same(x), _empty(x, (0,)), _empty(x, (0,))


def _mean(x: Tensor, axes: Any = None, keep: bool = False, *, dtype: Any = None) -> Tensor:
    gone = {axis % x.ndim for axis in (axes or range(x.ndim))}
    kept = [1 if axis in gone else side for axis, side in enumerate(x.shape) if keep or axis not in gone]
    return _empty(x, kept, dtype)


def _pooled_to(x: Tensor, size: Any) -> Tensor:
    return _empty(x, (*x.shape[:-2], *size))


def _affine(bias: Tensor, x: Tensor, weight: Tensor, **others: Any) -> Tensor:
    return _product(x, weight)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    return _empty(x, (x.shape[0], weight.shape[1]))


OUTLINES: Mapping[Any, Callable[..., Any]] = {
    _aten.add.Tensor: _sum,
    _aten.addmm.default: _affine,
    _aten.mm.default: _product,
    _aten.convolution.default: _convolved,
    _aten.relu.default: _same,
    _aten.hardtanh.default: _same,
    _aten.max_pool2d_with_indices.default: _pooled,
    _aten.mean.dim: _mean,
    _aten._adaptive_avg_pool2d.default: _pooled_to,
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
}
