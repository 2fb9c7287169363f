"""Kernels that are not used, since dense torch multiplies the decoded weights faster on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from workbench.network import verdicts
from workbench.network.families import family
from workbench.network.simulated import rounding
from workbench.network.verdicts import Judge, Verdict
from workbench.weights.encoding import Kernel
from workbench.weights.levels import Levels
from workbench.weights.tensor import TensorEncoding
from workbench.weights.values import FLOAT32

if TYPE_CHECKING:
    from workbench.network.packed import PackedConv2d, PackedLinear


@dataclass(frozen=True)
class Declined:
    """factor: which of the layer's tensors it is for, from 1 on. what: it is made for, as "2:4" or "4 bits"."""

    factor: int
    what: str
    kind: type[Kernel]
    verdict: Verdict


@dataclass(frozen=True)
class Rounding:
    """levels: that a layer's input is rounded to. layer: as it came."""

    levels: Levels
    layer: nn.Module


def declined(
    judge: Judge,
    packed: PackedLinear | PackedConv2d,
    dense: nn.Linear | nn.Conv2d,
    encoding: TensorEncoding,
    shape: tuple[int, ...],
    factor: int = 1,
    rounds: Rounding | None = None,
) -> Declined | None:
    """What is to be said where `judge` finds the kernel of `packed` slower than `dense`, the layer in whose place it
    stands; None where it is used.

    encoding: of the weights. shape: of an input, with its batch; of its channels or features, those that `dense` takes
    count. rounds: what the kernel does before it multiplies, which `dense` does not.
    """
    if isinstance(dense, nn.Linear):
        shape = (*shape[:-1], dense.in_features)
    else:
        shape = (shape[0], dense.in_channels, *shape[2:])
    bits = 32 if rounds is None else rounds.levels.bits

    def measure() -> Verdict:
        x = 2 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1
        hooks = [] if rounds is None else rounding(dense, rounds.layer, rounds.levels)
        try:
            return verdicts.timed(lambda: packed(x), lambda: dense(x))
        finally:
            for hook in hooks:
                hook.remove()

    found = judge(family(packed.kernel, encoding, dense, shape, packed.threads, bits), measure)
    if found is None or not found.slower:
        return None
    return Declined(factor, _what(encoding, dense, bits), type(packed.kernel), found)


def shapes(tensors: Sequence[Any], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Of the input of each of `tensors`, layers of which one's output is the next one's input."""
    found = [shape]
    for tensor in tensors[:-1]:
        found.append(_after(tensor, found[-1]))
    return found


def _after(tensor: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(tensor, nn.Linear):
        return (*shape[:-1], tensor.out_features)
    x = torch.empty(shape[0], tensor.in_channels, *shape[2:], device="meta")
    return tuple(tensor._conv_forward(x, torch.empty_like(tensor.weight, device="meta"), None).shape)


def _what(encoding: TensorEncoding, dense: nn.Linear | nn.Conv2d, input_bits: int) -> str:
    said = [encoding.places.pattern]
    if not said[0] and encoding.places.positions(encoding.shape) is not None:
        zeros = 1 - int(torch.count_nonzero(dense.weight)) / max(dense.weight.numel(), 1)
        said.append(f"{zeros:.0%} zeros")
    if encoding.values.kind != FLOAT32:
        said.append(_bits(encoding.values.bits))
    if input_bits != 32:
        said.append(f"inputs of {_bits(input_bits)}")
    return " and ".join(filter(None, said))


def _bits(width: int) -> str:
    return f"{width} bit{'' if width == 1 else 's'}"
