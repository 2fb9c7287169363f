import numpy as np
import pytest

from workbench.kernels.compiler.features import has
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.lookups import load_some, permute8, permute16, permute32, store_some
from workbench.kernels.vector.registers import load, store

random = np.random.default_rng(0)
WORDS = random.integers(0, 2**32, 16, dtype=np.uint32)
FLOATS = random.standard_normal(32).astype(np.float32)


@jit
def _looked_up(table, indices, y):  # type: ignore[no-untyped-def]
    numbers = load(indices, 0, 16)
    store(y, 0, permute8(load(table, 0, 8), numbers))
    store(y, 16, permute16(load(table, 0, 16), numbers))
    store(y, 32, permute32(load(table, 0, 16), numbers, load(table, 16, 16)))


@pytest.mark.skipif(not has("avx2"), reason="needs AVX2")
def test_tables_heed_the_lowest_bits_of_an_index() -> None:
    y = np.zeros(48, np.float32)
    _looked_up(FLOATS, WORDS, y)
    assert (y.reshape(3, 16) == [FLOATS[WORDS & 7], FLOATS[WORDS & 15], FLOATS[WORDS & 31]]).all()


@jit
def _copied(x, kept, y):  # type: ignore[no-untyped-def]
    store_some(y, 0, load_some(x, 0, kept, 16), kept)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_nothing_beyond_the_kept_lanes_is_touched(dtype: type) -> None:
    for kept in range(17):
        x = np.arange(1, kept + 1).astype(dtype)
        y = np.full(17, 99, dtype)
        _copied(x, kept, y)
        assert (y[:kept] == x).all() and (y[kept:] == 99).all()
