"""Reading an array again and again, as fast as a processor can."""

from __future__ import annotations

from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split


def read(values: NDArray, rounds: int, threads: int) -> None:  # type: ignore[type-arg]
    """Read the float32 array `values` [n] so often, each thread its own share of it; its numbers are changed."""
    split(_sum, values.size, threads, values, rounds)


@jit(fast_math=True)
def _sum(values, rounds, start, stop):  # type: ignore[no-untyped-def]
    share = values[start:stop]
    total = values.dtype.type(0)
    for _ in range(rounds):
        share[0] = total  # what is written must be read again, so that no round can be left out
        total = values.dtype.type(0)
        for place in range(share.size):
            total += share[place]
    return total
