import numpy as np
import pytest

from workbench.kernels.compiler.features import has
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.byte_products import dot_u8_i8, pair_products, pair_sums
from workbench.kernels.vector.registers import load, store, view

random = np.random.default_rng(0)
UNSIGNED = random.integers(0, 256, 64).astype(np.uint8)
SIGNED = random.integers(-128, 128, 64).astype(np.int8)
UNSIGNED[:4], SIGNED[:4] = 255, [127, 127, -128, -128]  # sums of two that do not fit 16 bits
PRODUCTS = UNSIGNED.astype(np.int32) * SIGNED


@jit
def _dotted(a, b, y):  # type: ignore[no-untyped-def]
    store(y, 0, dot_u8_i8(load(y, 0, 16), view(load(a, 0, 64), np.uint32), view(load(b, 0, 64), np.uint32)))


@pytest.mark.skipif(not has("avx512vnni"), reason="needs VNNI")
def test_dot_products_of_bytes() -> None:
    y = np.arange(16, dtype=np.int32)
    _dotted(UNSIGNED, SIGNED, y)
    assert (y == np.arange(16) + PRODUCTS.reshape(16, 4).sum(axis=1)).all()


@jit
def _paired(a, b, pairs, quads):  # type: ignore[no-untyped-def]
    found = pair_products(view(load(a, 0, 64), np.uint32), view(load(b, 0, 64), np.uint32))
    store(pairs, 0, found)
    store(quads, 0, pair_sums(found))


@pytest.mark.skipif(not has("avx2"), reason="needs AVX2")
def test_products_of_bytes_in_pairs() -> None:
    pairs, quads = np.zeros(32, np.int16), np.zeros(16, np.int32)
    _paired(UNSIGNED, SIGNED, pairs, quads)
    expected = np.clip(PRODUCTS.reshape(32, 2).sum(axis=1), -(2**15), 2**15 - 1)
    assert (pairs == expected).all() and (quads == expected.reshape(16, 2).sum(axis=1)).all()
