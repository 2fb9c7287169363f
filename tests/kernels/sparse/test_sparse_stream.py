import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.kernels.lowbit.bitpack import pack
from workbench.kernels.sparse.gaps import entries
from workbench.kernels.sparse.stream import BITMAP, EVERY, Listed, SparseStream
from workbench.kernels.sparse.survivors import Survivors

SHAPES = [(1, 1), (3, 5), (5, 1), (1, 300), (40, 77), (130, 200), (1000, 9), (0, 7), (4, 0)]
VALUES = ["float32", "one grid", "rows", "asymmetric", "groups", "table", "large table", "one entry"]


def listed(kind: str, positions: NDArray[np.int64], shape: tuple[int, int]) -> tuple[Listed, NDArray[np.float32]]:
    """Random values of a kind, as they are stored and as they are."""
    rng = np.random.default_rng(positions.size)
    rows, columns = shape
    row, column = np.divmod(positions, max(columns, 1))
    if kind == "float32":
        values = rng.standard_normal(positions.size).astype(np.float32)
        return Listed(floats=values), values
    bits = {"one grid": 8, "rows": 4, "asymmetric": 3, "groups": 4, "table": 2, "large table": 5, "one entry": 0}[kind]
    codes = rng.integers(0, 2**bits - (kind == "large table"), positions.size).astype(np.uint8)
    packed = pack(codes, bits) if bits else np.empty(0, np.uint8)
    if bits in (0, 2, 5):
        table = rng.standard_normal(2**bits - (kind == "large table")).astype(np.float32)
        return Listed(codes=packed, bits=bits, table=table), table[codes]
    group = 20 if kind == "groups" else 0
    groups = -(-columns // group) if group else 1
    scale = rng.uniform(0.5, 1.5, 1 if kind == "one grid" else rows * groups).astype(np.float32)
    which = 0 if kind == "one grid" else row * groups + (column // group if group else 0)
    if kind == "asymmetric":
        points = rng.integers(0, 8, rows).astype(np.uint8)
        values = scale[which] * (codes - points[row].astype(np.float32))
        return Listed(codes=packed, bits=bits, scale=scale, points=points), values
    values = scale[which] * (codes - np.float32(7.5))
    return Listed(codes=packed, bits=bits, scale=scale, point=7.5, group=group), values


def stream(shape: tuple[int, int], zeros: float, width: int, kind: str) -> tuple[SparseStream, NDArray[np.float32]]:
    """A random matrix as a stream, and dense."""
    rng = np.random.default_rng(shape[0])
    alive = rng.random(shape) >= zeros
    positions = np.flatnonzero(alive)
    places = np.packbits(alive, bitorder="little")
    if width == EVERY:
        places, positions = np.empty(0, np.uint8), np.arange(alive.size)
    elif width != BITMAP:
        gaps, positions = entries(alive.astype(np.float32), width)
        places = pack(gaps, width)
    values, decoded = listed(kind, positions, shape)
    dense = np.zeros(alive.size, np.float32)
    dense[positions] = decoded
    found = SparseStream.of(shape, places, width, None if width == EVERY else positions, values)
    return found, dense.reshape(shape)


Floats = NDArray[np.float32]


def close(found: Floats, x: Floats, dense: Floats, bias: Floats) -> bool:
    expected = x.astype(np.float64) @ dense.T + bias
    room = np.abs(x).astype(np.float64) @ np.abs(dense.T) + np.abs(bias)
    return found.shape == expected.shape and bool((np.abs(found - expected) <= 1e-5 * room + 1e-7).all())


@pytest.mark.parametrize("width", [EVERY, BITMAP, 2, 5, 8])
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_the_dense_matrix(shape: tuple[int, int], kind: str, width: int) -> None:
    rng = np.random.default_rng(1)
    for zeros in (0.0, 0.5, 0.9, 1.0):
        sparse, dense = stream(shape, zeros, width, kind)
        for batch in (0, 1, 3, 9, 70):
            x = rng.standard_normal((batch, shape[1])).astype(np.float32)
            bias = rng.standard_normal(shape[0]).astype(np.float32)
            assert close(sparse.multiply(x, bias), x, dense, bias)
            assert close(sparse.multiply(np.asfortranarray(x)), x, dense, np.zeros_like(bias))


@pytest.mark.parametrize("width", [EVERY, BITMAP, 4])
@pytest.mark.parametrize("batch", [1, 200])
def test_many_blocks_and_threads_change_no_bit(width: int, batch: int) -> None:
    sparse, dense = stream((700, 300), 0.8, width, "rows")
    assert sparse.blocks > 3
    x = np.random.default_rng(0).standard_normal((batch, 300)).astype(np.float32)
    alone = sparse.multiply(x)
    assert close(alone, x, dense, np.zeros(700, np.float32))
    assert sparse.multiply(x, threads=3).tobytes() == alone.tobytes()


@pytest.mark.parametrize("batch", [1, 70])
def test_a_weight_that_is_no_number_reaches_its_row_alone(batch: int) -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((30, 150)) < 0.5, 0, rng.standard_normal((30, 150))).astype(np.float32)
    dense[7, np.flatnonzero(dense[7])[[0, -1]]] = np.nan, np.inf
    y = SparseStream.of_survivors(Survivors.from_dense(dense)).multiply(np.ones((batch, 150), np.float32))
    assert np.isfinite(np.delete(y, 7, axis=1)).all() and np.isnan(y[:, 7]).all()


def test_what_is_held_is_what_is_stored() -> None:
    """The arrays themselves, and where each block begins; less than eight bytes are filled up to be read as a word."""
    codes, places = np.zeros(500, np.uint8), np.zeros(625, np.uint8)
    values = Listed(codes=codes, bits=4, scale=np.ones(10, np.float32))
    sparse = SparseStream.of((10, 500), places, 5, np.arange(0, 5000, 5), values)
    assert sparse.places is places and sparse.listed.codes is codes
    assert sparse.nbytes == 500 + 625 + 40 + 16 * (sparse.blocks + 1)
    few = SparseStream.of((1, 9), np.zeros(2, np.uint8), BITMAP, np.arange(0), Listed(codes=codes[:3], bits=4))
    assert few.nbytes == 8 + 8 + 32


def test_float32_survivors_take_the_smaller_of_gaps_and_a_bitmap() -> None:
    rng = np.random.default_rng(0)
    for zeros, width in ((0.5, BITMAP), (0.98, 8)):
        dense = np.where(rng.random((60, 70)) < zeros, 0, rng.standard_normal((60, 70))).astype(np.float32)
        sparse = SparseStream.of_survivors(Survivors.from_dense(dense))
        assert (sparse.width == BITMAP) == (width == BITMAP)
        x = rng.standard_normal((2, 70)).astype(np.float32)
        assert close(sparse.multiply(x), x, dense, np.zeros(60, np.float32))


def test_what_is_refused() -> None:
    sparse, _ = stream((3, 5), 0.5, BITMAP, "float32")
    with pytest.raises(ValueError, match=r"float32 \[batch, 5\], not float64 \[2, 5\]"):
        sparse.multiply(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"not float32 \[2, 4\]"):
        sparse.multiply(np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match="A bias for 3 rows"):
        sparse.multiply(np.ones((2, 5), np.float32), np.ones(4, np.float32))
