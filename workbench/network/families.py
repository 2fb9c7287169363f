"""Families of products: those that take about as long as each other, by kernel and by torch."""

from __future__ import annotations

import math

import torch
from torch import nn

from workbench.weights.encoding import Kernel
from workbench.weights.tensor import TensorEncoding


def family(
    kernel: Kernel,
    encoding: TensorEncoding,
    layer: nn.Linear | nn.Conv2d,
    shape: tuple[int, ...],
    threads: int,
    input_bits: int = 32,
) -> str:
    """The family that the product of `kernel` belongs to, which stands in the place of `layer` of the same weights.

    shape: of the input, with its batch. threads: of the kernel. input_bits: of what it rounds its input to. Sizes, bits
    and the share of non-zeros are rounded to steps of a fourth root of 2, so that products are at most 10 % apart along
    each of them.
    """
    weights = layer.weight.numel()
    nonzeros = int(torch.count_nonzero(layer.weight))
    facts = [
        f"{type(kernel).__name__} for {encoding.name} of {encoding.values.kind}",
        f"{_near(8 * kernel.nbytes / max(weights, 1)):.3g} bits a weight",
        f"{_near(nonzeros / max(weights, 1)):.3g} of them non-zero",
        f"inputs of {input_bits} bits",
        f"{_size(layer.weight.shape[0])} × {_size(layer.weight.shape[1])}",
    ]
    if isinstance(layer, nn.Conv2d):
        facts.append(f"filters {layer.kernel_size} every {layer.stride} dilated {layer.dilation} groups {layer.groups}")
        facts.append(f"{shape[0]} images of {_size(shape[2])} × {_size(shape[3])}")
    else:
        facts.append(f"{_size(math.prod(shape[:-1]))} rows")
    facts.append(f"threads {threads} and torch's {torch.get_num_threads()}")
    return "; ".join(facts)


def _size(number: int) -> str:
    return f"{_near(number):.3g}"


def _near(number: float) -> float:
    return 2 ** (round(4 * math.log2(number)) / 4) if number > 0 else 0.0
