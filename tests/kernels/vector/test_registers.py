import numpy as np
import pytest
from numba import TypingError

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.aligned import aligned, as_aligned
from workbench.kernels.vector.registers import (
    convert,
    fma,
    gather,
    lane_or,
    lane_sum,
    load,
    popcount,
    prefetch,
    splat,
    spread,
    store,
    view,
    within,
)

random = np.random.default_rng(0)
WORDS = random.integers(0, 2**32, 17, dtype=np.uint32)
FLOATS = random.standard_normal(17).astype(np.float32)


@jit
def _integers(a, b, y):  # type: ignore[no-untyped-def]
    v, w = load(a, 1, 16), load(b, 1, 16)
    total = v
    total += w
    store(y, 0, total)
    store(y, 16, v - w)
    store(y, 32, v * w)
    store(y, 48, v & w | v ^ 12345)
    store(y, 64, v << 3)
    store(y, 80, v >> 3)
    store(y, 96, popcount(v))
    store(y, 112, splat(a[2], 16) + spread(a, 5, 16))
    store(y, 128, gather(a, v & 15))
    prefetch(a, 10**6)
    return lane_sum(v), lane_or(v)


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.uint8, np.int64])
def test_integers(dtype: type) -> None:
    a, b = WORDS.astype(dtype), WORDS[::-1].astype(dtype)
    y = np.zeros(144, dtype)
    total, union = _integers(a, b, y)
    v, w = a[1:], b[1:]
    expected = [v + w, v - w, v * w, v & w | v ^ np.array(12345 & (1 << 8 * v.itemsize) - 1).astype(dtype)]
    expected += [v << dtype(3), v >> dtype(3), np.bitwise_count(v.view(f"u{v.itemsize}"))]
    expected += [np.full(16, a[2] + a[5]), a[v & dtype(15)]]
    assert (y.reshape(9, 16) == expected).all()
    assert dtype(total) == v.sum(dtype=dtype) and dtype(union) == np.bitwise_or.reduce(v)


@jit
def _floats(a, b, y):  # type: ignore[no-untyped-def]
    v, w = load(a, 1, 16), load(b, 1, 16)
    store(y, 0, fma(v, w, v))
    store(y, 16, (v - w) * 2)
    store(y, 32, convert(convert(v * 1000, np.int32), np.float32))
    store(y, 48, view(view(v, np.uint32) ^ np.uint32(1 << 31), np.float32))
    store(y, 64, v / w)
    store(y, 80, within(v, splat(np.float32(-0.5), 16), splat(np.float32(0.5), 16)))
    return lane_sum(v)


def test_floats() -> None:
    y = np.zeros(96, np.float32)
    total = _floats(FLOATS, FLOATS[::-1].copy(), y)
    v, w = FLOATS[1:], FLOATS[::-1][1:]
    found = y.reshape(6, 16)
    assert np.allclose(found[0], v.astype(np.float64) * w + v, rtol=1e-6)
    assert (found[1:] == [(v - w) * 2, np.trunc(v * 1000), -v, v / w, np.clip(v, -0.5, 0.5)]).all()
    assert total == pytest.approx(v.sum(), rel=1e-5)


@jit
def _wrong(a):  # type: ignore[no-untyped-def]
    return lane_sum(load(a, 0, 16) & 1)


def test_floats_have_no_bits() -> None:
    with pytest.raises(TypingError, match="and_"):
        _wrong(FLOATS)


@pytest.mark.parametrize("shape", [5, (3, 7), 10**6])
def test_arrays_start_on_a_cache_line(shape: int | tuple[int, ...]) -> None:
    for _ in range(3):
        array = aligned(shape, np.float32)
        assert array.ctypes.data % 64 == 0 and array.flags.c_contiguous and array.flags.writeable
    assert as_aligned(array) is array
    shifted = np.arange(40, dtype=np.uint8)[1:]
    assert as_aligned(shifted).ctypes.data % 64 == 0 and (as_aligned(shifted) == shifted).all()


def test_a_processor_is_asked_for_by_its_features() -> None:
    assert has() and not has("no such feature")
    assert wide() == has("avx512f", "avx512bw", "avx512dq", "avx512vl")
