"""Loops and choices that are written at compile time do what Python's would."""

import numpy as np
import pytest
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.writing import Writing


@intrinsic
def _sums(typingctx, x, count, results):  # type: ignore[no-untyped-def]
    """results: the first `count` vectors of x added up, or all ones where there is none; and how many there were."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        write = Writing(context, builder, ("x", "count", "results"), sig, args, 8)
        count, none = write.number("count"), ir.Constant(ir.IntType(64), 0)

        def added(number, values):  # type: ignore[no-untyped-def]
            total, rounds = values
            one = write.load("x", builder.mul(number, ir.Constant(number.type, 8)))
            return builder.fadd(total, one), write.plus(rounds, 1)

        total, rounds = write.repeated(count, (ir.Constant(write.vector, None), none), added)
        empty = builder.icmp_signed("==", rounds, none)
        ones = ir.Constant(write.vector, [1.0] * 8)
        write.store("results", none, write.where(empty, lambda: builder.fadd(total, ones), total))
        found = builder.sitofp(rounds, ir.FloatType())
        write.store("results", write.plus(none, 8), write.everywhere(found))
        return context.get_dummy_value()

    return types.void(x, count, results), codegen


@jit
def _summed(x, count, results):  # type: ignore[no-untyped-def]
    _sums(x, count, results)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_loop_carries_its_values(count: int) -> None:
    x, results = np.arange(40, dtype=np.float32), np.zeros(16, np.float32)
    _summed(x, count, results)
    expected = x[: 8 * count].reshape(-1, 8).sum(axis=0) if count else np.ones(8)
    assert (results[:8] == expected).all() and (results[8:] == count).all()
