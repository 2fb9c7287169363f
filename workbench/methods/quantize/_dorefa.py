"""What DoReFa and its preview share: the levels of weights, of activations, and of gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from workbench.evidence import Layout
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.part import Part

_TINY = float(np.finfo(np.float32).tiny)


def codes_of(weight: Tensor, bits: int) -> Tensor:
    """Equation 9: round((2^k − 1) (tanh r / (2 max |tanh r|) + ½)); of one bit, whether r is not below zero."""
    if bits == 1:
        return weight >= 0
    squeezed = torch.tanh(weight)
    return ((squeezed / (2 * squeezed.abs().max().clamp(min=_TINY)) + 0.5) * (2**bits - 1)).round()


def mean_magnitude(weight: Tensor) -> Tensor:
    """E |r| over the weights that are not zero, of which one bit is the sign (equation 8)."""
    return weight.abs().sum() / (weight != 0).sum().clamp(min=1)


def on_levels(part: Part, bits: int) -> Part:
    """Weights at 2^k levels from −1 to 1, of one bit at ± their mean magnitude. Zeros, which were cut, stay."""
    weight = torch.from_numpy(part.values)
    if bits == 1:
        height = max(float(mean_magnitude(weight)), _TINY)
        scale, point = np.full(1, 2 * height, np.float32), np.full(1, symmetric_zero_point(1), np.float32)
        levels = Affine(1, Grouping("tensor"), scale, point, symmetric=True)
    else:
        highest = 2**bits - 1
        scale, point = np.full(1, 2 / highest, np.float32), np.full(1, highest / 2, np.float32)
        levels = Affine(bits, Grouping("tensor"), scale, point, symmetric=False)
    return Part.on_levels(levels, codes_of(weight, bits).numpy().astype(np.uint8), part.values == 0)


def entering(bits: int) -> Affine:
    """The levels of what enters a layer: 2^k of them from 0 to 1 (equation 11); what is outside becomes an end."""
    scale = np.full(1, 1 / (2**bits - 1), np.float32)
    return Affine(bits, Grouping("tensor"), scale, np.zeros(1, np.float32), symmetric=False)


def quantised_gradient(gradient: Tensor, bits: int, random: torch.Generator | None) -> Tensor:
    """Equation 12: 2 max|g| [q_k(g / (2 max|g|) + ½ + N) − ½], the maximum that of each sample [samples, ...].

    random: draws N, evenly from ± ½ / (2^k − 1), so that what is given is g on average; None leaves N out.
    """
    highest = 2**bits - 1
    largest = gradient.abs().flatten(1).amax(1).clamp(min=_TINY).reshape(-1, *[1] * (gradient.ndim - 1))
    codes = (gradient / (2 * largest) + 0.5) * highest
    if random is not None:
        codes = codes + torch.rand(codes.shape, generator=random) - 0.5
    return 2 * largest * (codes.round().clamp(0, highest) / highest - 0.5)


def end_of_network(layout: Layout) -> str | None:
    """Why the layer is spared, as the end of a sentence (section 2.7)."""
    if not (layout.first or layout.output):
        return None
    return "is the first or the last layer, which the paper leaves as it is; a step that names it does not"
