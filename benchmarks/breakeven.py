"""`workbench bench breakeven`: from which sparsity and up to which rank a layer of some shape gains here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional

from benchmarks.kernels import machine
from benchmarks.measure import interleaved
from benchmarks.sparse import breakeven
from workbench.models import zoo
from workbench.network.layer import Layer
from workbench.network.model import Model

Case = tuple[tuple[int, int], int]  # the matrix [out, in · kh · kw], and how many columns it multiplies with


def run(names: tuple[str, ...] = (), progress: Callable[[str], None] = lambda case: None) -> dict[str, Any]:
    """{"machine": {...}, "rows": [...]}: one row for each shape among the layers of the named networks, or all.

    A convolution stands for the product of its matrix with as many columns as it has output positions; grouped ones are
    left out. sparsity: share of zeros from which the sparse kernel is faster than each dense opponent, 0.0 where it
    always is, None where not even at 99 %. rank: the largest at which two dense factors are faster than the one matrix,
    0 for none. One thread, batch 1. Raises ModelError for an unknown name.
    """
    rows = []
    for (shape, columns), layers in _cases(names or tuple(zoo.names())).items():
        case = f"{shape[0]}×{shape[1]} × {columns}"
        progress(case)
        rows.append(
            {
                "shape": list(shape),
                "columns": columns,
                "layers": layers,
                "threads": 1,
                "sparsity": breakeven(shape, columns),
                "rank": rank_breakeven(shape, columns),
                "rank_by_count": shape[0] * shape[1] // (shape[0] + shape[1]),
            }
        )
    return {"machine": machine(), "rows": rows}


def rank_breakeven(shape: tuple[int, int], columns: int) -> int:
    """Largest rank at which two dense products take no longer than one, in torch on one thread; 0 where none does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(columns, shape[1], generator=generator)
        whole = torch.randn(shape, generator=generator)
        low, high = 0, min(shape)
        while low < high:  # the factors win up to `low`, and lose above `high`
            rank = (low + high + 1) // 2
            first = torch.randn(rank, shape[1], generator=generator)
            second = torch.randn(shape[0], rank, generator=generator)
            calls = {"whole": lambda: functional.linear(x, whole), "factors": _product(x, first, second)}
            taken = interleaved(calls, rounds=15, budget=1.0)
            low, high = (rank, high) if taken["factors"] <= taken["whole"] else (low, rank - 1)
        return low
    finally:
        torch.set_num_threads(before)


def _product(x: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> Callable[[], torch.Tensor]:
    return lambda: functional.linear(functional.linear(x, first), second)


def _cases(names: tuple[str, ...]) -> dict[Case, list[str]]:
    """Every shape once, with the layers that have it."""
    cases: dict[Case, list[str]] = {}
    architectures = dict.fromkeys(zoo.entry(name).architecture for name in names)
    for architecture in architectures:
        model = Model.from_module(
            zoo.build(architecture), torch.zeros(1, *zoo.facts(architecture)["input_shape"]), name=architecture
        )
        for layer in model.layers:
            for case in _uses(layer):
                label = f"{architecture}: {layer.name}"
                cases.setdefault(case, [])
                if label not in cases[case]:
                    cases[case].append(label)
    return cases


def _uses(layer: Layer) -> Iterator[Case]:
    if layer.groups == 1:
        for call in layer.calls:
            yield (layer.shape[0], math.prod(layer.shape[1:])), math.prod(call.output_shape) // layer.shape[0]
