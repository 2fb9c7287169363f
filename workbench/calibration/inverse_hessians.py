"""The inverse of the Hessian of a layer's weights, in blocks, built up from one image after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from workbench.calibration.slopes import Pass, passes
from workbench.calibration.unrolled import outputs, unrolled
from workbench.data.split import Split
from workbench.evidence import Blocks, Floats
from workbench.network.layer import Layer
from workbench.network.state import State

_TOGETHER = 32  # samples that are taken in at once


def inverse_hessian(
    state: State, layer: Layer, blocks: Blocks, damping: float, images: Split, cancelled: Callable[[], bool]
) -> tuple[Floats, ...]:
    """See `Evidence.inverse_hessian`; one pass forward and one back for each class. Raises as `passes` does."""
    inverses = []
    for run in blocks.runs:
        none_yet = torch.eye(run.stop - run.start, dtype=torch.double) / damping
        inverses.append(none_yet.repeat(blocks.rows, 1, 1))
    for one in passes(state, (layer,), images, cancelled):
        if not one.calls:  # by a network that leaves it out for these images
            continue
        x = torch.cat([unrolled(call.module, call.inputs) for call in one.calls], 3)  # its calls add up
        for slope in _slopes(one, blocks):
            for run, inverse in zip(blocks.runs, inverses, strict=True):
                take_in(inverse, _by_weight(slope, x, blocks, run), len(images))
    return tuple(inverse.numpy() for inverse in inverses)


def take_in(inverse: torch.Tensor, samples: torch.Tensor, count: int) -> None:
    """H⁻¹ ← H⁻¹ − H⁻¹ x xᵀ H⁻¹ / (count + xᵀ H⁻¹ x), in place, for each sample x: H has x xᵀ / count more.

    Several samples are taken in at once, which is the same (Sherman, Morrison and Woodbury); one at a time it is
    equation 17 of Hassibi and Stork 1993. inverse: float64 [blocks, weights, weights]. samples: [blocks, samples,
    weights].
    """
    for some in samples.double().split(_TOGETHER, 1):
        across = some @ inverse
        middle = across @ some.mT
        middle.diagonal(dim1=1, dim2=2).add_(count)
        halves = torch.linalg.solve_triangular(torch.linalg.cholesky(middle), across, upper=False)
        inverse.baddbmm_(halves.mT, halves, alpha=-1)


def _slopes(one: Pass, blocks: Blocks) -> Iterator[torch.Tensor]:
    """Of each image by what the layer gives, [images, groups, rows, positions], class by class.

    Where a row sees one position its slopes of all classes point the same way, to its input, and are one sample.
    """
    by_class = (
        torch.cat([outputs(call.module, slope) for call, slope in zip(one.calls, found, strict=True)], 3)
        for found in one.slopes()
    )
    first = next(by_class)
    if _by_row(first, blocks) and first.shape[3] == 1:
        total = first.square()
        for slope in by_class:
            total += slope.square()
        yield total.sqrt()
    else:
        yield first
        yield from by_class


def _by_weight(slope: torch.Tensor, x: torch.Tensor, blocks: Blocks, run: slice) -> torch.Tensor:
    """[rows, images, weights]: of each image by the weights of that run. x: [images, groups, columns, positions]."""
    if _by_row(slope, blocks):
        return torch.einsum("ngrp,ngcp->grnc", slope, x[:, :, run]).flatten(0, 1)
    return torch.einsum("ngrp,ngcp->ngrc", slope, x).flatten(1)[None]


def _by_row(slope: torch.Tensor, blocks: Blocks) -> bool:
    """Whether each block lies in one row of the weight; else there is one block of all rows."""
    return blocks.rows == slope.shape[1] * slope.shape[2]
