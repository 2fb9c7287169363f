from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import naive
from workbench.kernels.sparse.block import BlockSparse
from workbench.kernels.sparse.nm import NmSparse
from workbench.kernels.sparse.survivors import Survivors

LAYOUTS: dict[str, Callable[[Survivors], Any]] = {
    "8x1": BlockSparse.of,
    "16x1": lambda survivors: BlockSparse.of(survivors, 16),
}
# rows, inputs, columns, share of zeros
CASES = [
    (1, 1, 1, 0.0),
    (1, 1, 3, 1.0),
    (1, 300, 1, 0.5),
    (40, 1, 1, 0.5),
    (40, 1, 5, 0.0),
    (33, 70, 1, 0.9),
    (33, 70, 1, 0.0),
    (33, 70, 8, 0.0),
    (19, 257, 30, 0.8),
    (9, 140, 64, 0.95),
    (9, 140, 131, 0.6),
    (21, 65, 17, 1.0),
    (0, 5, 3, 0.0),
    (5, 0, 3, 0.0),
    (5, 7, 0, 0.0),
]
parametrised = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def _weights(rows: int, inputs: int, zeros: float, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng([seed, rows, inputs])
    weights = rng.standard_normal((rows, inputs)).astype(np.float32)
    weights[rng.random((rows, inputs)) < zeros] = 0
    return weights


def _check(layout: Any, weights: NDArray[np.float32], columns: int, threads: int = 1, of: float = 1.0) -> None:
    rng = np.random.default_rng(columns)
    x = (rng.standard_normal((weights.shape[1], columns)) * of).astype(np.float32)
    bias = rng.standard_normal(weights.shape[0]).astype(np.float32)
    expected, size = naive.sparse_product(weights, x, bias)
    y = layout.multiply(x, bias, threads)
    assert y.dtype == np.float32 and y.shape == expected.shape and y.flags.c_contiguous
    assert (np.abs(y - expected) <= 2e-6 * size + 1e-37).all()
    if columns == 1:
        assert np.array_equal(layout.multiply(x[:, 0], bias), layout.multiply(x, bias)[:, 0])


@parametrised
@pytest.mark.parametrize(("rows", "inputs", "columns", "zeros"), CASES)
def test_a_product_is_that_of_the_naive_loop(layout, rows: int, inputs: int, columns: int, zeros: float) -> None:
    weights = _weights(rows, inputs, zeros)
    _check(layout(Survivors.from_dense(weights)), weights, columns)


@parametrised
@pytest.mark.parametrize("columns", [1, 70])
def test_threads_share_the_work(layout, columns: int) -> None:
    weights = _weights(75, 90, 0.7)
    made = layout(Survivors.from_dense(weights))
    for threads in (2, 3, 100):
        _check(made, weights, columns, threads)


@parametrised
@pytest.mark.parametrize("columns", [1, 70])
def test_rows_without_survivors_give_the_bias(layout, columns: int) -> None:
    weights = _weights(40, 300, 0.5)
    weights[::3], weights[16:32], weights[:, 5:200] = 0, 0, 0
    _check(layout(Survivors.from_dense(weights)), weights, columns)


@parametrised
@pytest.mark.parametrize("columns", [1, 64])
def test_very_large_and_very_small_values(layout, columns: int) -> None:
    weights = _weights(20, 50, 0.5) * np.float32(1e-30)
    _check(layout(Survivors.from_dense(weights)), weights, columns, of=1e33)
    _check(layout(Survivors.from_dense(weights * np.float32(1e-10))), weights * np.float32(1e-10), columns, of=1e35)


@parametrised
@pytest.mark.parametrize("columns", [1, 64])
def test_nan_and_infinity_of_a_column_reach_their_rows_alone(layout, columns: int) -> None:
    weights = np.zeros((32, 100), np.float32)
    weights[:16, 3], weights[:16, 50], weights[16:, 60] = 2, -1, 1
    x = np.ones((100, columns), np.float32)
    x[3], x[60] = np.inf, np.nan
    made = layout(Survivors.from_dense(weights))
    y = made.multiply(x)
    assert (y[:16] == np.inf).all()
    assert np.isnan(y[16:]).all()


@parametrised
def test_operands_that_do_not_fit(layout) -> None:
    made = layout(Survivors.from_dense(_weights(4, 6, 0.5)))
    with pytest.raises(ValueError, match="float32, not float64"):
        made.multiply(np.ones((6, 2)))
    with pytest.raises(ValueError, match=r"multiplies \[6, columns\], not \[5, 2\]"):
        made.multiply(np.ones((5, 2), np.float32))
    with pytest.raises(ValueError, match=r"float32 \[4\]"):
        made.multiply(np.ones((6, 2), np.float32), np.ones(3, np.float32))
    with pytest.raises(ValueError, match="1 thread or more"):
        made.multiply(np.ones((6, 2), np.float32), threads=0)


@parametrised
def test_an_operand_in_any_memory_order(layout) -> None:
    weights = _weights(10, 40, 0.5)
    x = np.random.default_rng(0).standard_normal((64, 81)).astype(np.float32)[:, 1:41].T  # not contiguous, not aligned
    assert np.allclose(layout(Survivors.from_dense(weights)).multiply(x), weights @ x, atol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4), (3, 4), (4, 8), (5, 8), (8, 16), (11, 16), (1, 16)])
@pytest.mark.parametrize(("rows", "inputs", "columns"), [(1, 1, 1), (7, 70, 1), (5, 513, 9), (9, 33, 64), (0, 4, 1)])
def test_n_of_m(n: int, m: int, rows: int, inputs: int, columns: int) -> None:
    runs = _weights(rows, -(-inputs // m) * m, 0.1).reshape(rows, -(-inputs // m), m)
    runs[np.argsort(np.random.default_rng(n).random(runs.shape), axis=2) >= n] = 0
    weights = np.ascontiguousarray(runs.reshape(rows, -(-inputs // m) * m)[:, :inputs])
    _check(NmSparse.of(Survivors.from_dense(weights), n, m), weights, columns, threads=2)


def test_more_survivors_than_n() -> None:
    weights = np.zeros((2, 8), np.float32)
    weights[1, 4:7] = 1
    with pytest.raises(ValueError, match="holds 3 survivors, more than 2"):
        NmSparse.of(Survivors.from_dense(weights), 2, 4)
    assert NmSparse.of(Survivors.from_dense(weights), 3, 4).nbytes > 0
    for n, m in ((0, 4), (4, 4), (1, 3), (2, 32)):
        with pytest.raises(ValueError, match="N:M sparsity"):
            NmSparse.of(Survivors.from_dense(weights), n, m)


def test_layouts_refuse_what_they_cannot_hold() -> None:
    survivors = Survivors.from_dense(_weights(4, 300, 0.5))
    with pytest.raises(ValueError, match="8 or 16 rows high, not 4"):
        BlockSparse.of(survivors, 4)


def test_indices_grow_with_the_matrix() -> None:
    weights = np.zeros((2, 70_000), np.float32)
    weights[0, 69_999], weights[1, 3] = 2, 3
    for layout in LAYOUTS.values():
        made = layout(Survivors.from_dense(weights))
        for columns in (1, 2):
            x = np.arange(70_000, dtype=np.float32)[:, None] + np.zeros((1, columns), np.float32)
            assert (made.multiply(x) == np.array([[139_998], [9]])).all()
    assert BlockSparse.of(Survivors.from_dense(weights)).indices.dtype == np.uint32
    assert BlockSparse.of(Survivors.from_dense(weights[:, :65_536])).indices.dtype == np.uint16
