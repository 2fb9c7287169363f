import numpy as np
import pytest

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.stretches import clear, copy, scratch


@jit
def _clear(array, start, stop):  # type: ignore[no-untyped-def]
    clear(array, start, stop)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_what_lies_between_becomes_zero(dtype: type) -> None:
    for start, stop in ((0, 0), (0, 7), (3, 5), (5, 3), (6, 7)):
        array = np.arange(1, 8).astype(dtype)
        expected = array.copy()
        expected[start:stop] = 0
        _clear(array, start, stop)
        assert (array == expected).all()


@jit
def _copy(source, first, count, target, to):  # type: ignore[no-untyped-def]
    copy(source, first, count, target, to)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_so_many_elements_are_copied(dtype: type) -> None:
    for first, count, to in ((0, 0, 0), (0, 7, 0), (2, 3, 1), (6, 1, 6)):
        source, target = np.arange(1, 8).astype(dtype), np.full(7, 99, dtype)
        expected = target.copy()
        expected[to : to + count] = source[first : first + count]
        _copy(source, first, count, target, to)
        assert (target == expected).all()


@jit
def _made(size, places):  # type: ignore[no-untyped-def]
    floats, bytes_ = scratch(size, np.float32), scratch(size, np.uint8)
    clear(floats, 0, size)
    clear(bytes_, 0, size)
    places[0], places[1] = floats.ctypes.data, bytes_.ctypes.data
    return floats, bytes_


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_scratch_begins_on_a_cache_line(size: int) -> None:
    places = np.zeros(2, np.int64)
    floats, bytes_ = _made(size, places)
    assert (floats.shape, floats.dtype, bytes_.shape, bytes_.dtype) == ((size,), np.float32, (size,), np.uint8)
    assert not floats.any() and not bytes_.any() and (places % 64 == 0).all()
