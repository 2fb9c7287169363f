"""Tensors beside the weights as decisions, which are compared and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from workbench.evidence import Floats

Kept = tuple[tuple[str, bytes], ...]  # name of a tensor -> its float64 values


def kept(found: Mapping[str, Floats]) -> Kept:
    return tuple((name, values.tobytes()) for name, values in sorted(found.items()))


def tensors(decision: Kept) -> Iterator[tuple[str, Floats]]:
    for name, values in decision:
        yield name, np.frombuffer(values)
