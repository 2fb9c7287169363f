import numpy as np
import pytest

from workbench.kernels.sparse.survivors import Levels, Survivors


def test_dense_weights_and_positions_say_the_same() -> None:
    weights = np.array([[0, 1.5, 0], [2, 0, -3]], np.float32)
    dense = Survivors.from_dense(weights)
    assert dense.positions.tolist() == [1, 3, 5] and dense.values.tolist() == [1.5, 2, -3]
    listed = Survivors.from_positions(np.array([1, 3, 5]), np.array([1.5, 2, -3]), (2, 3))
    assert listed.values.dtype == np.float32 and np.array_equal(listed.values, dense.values)


def test_levels_decode_as_they_say() -> None:
    positions, codes = np.array([0, 2, 3, 5]), np.array([0, 3, 1, 2], np.uint8)
    book = Levels.codebook(np.array([5, 6, 7, 8], np.float32), (2, 3))
    assert Survivors.from_positions(positions, codes, (2, 3), book).as_floats().values.tolist() == [5, 8, 6, 7]
    for points in ([1, 1], [0, 3], [0.25, 1.5], [0, 1e6]):
        scale, zero = np.array([0.5, 2], np.float32), np.array(points, np.float32)
        levels = Levels.affine(scale, zero, 2, (2, 3))
        found = Survivors.from_positions(positions, codes, (2, 3), levels).as_floats().values
        rows = positions // 3
        assert np.array_equal(found, scale[rows] * (codes - zero[rows]))


def test_groups_within_a_row() -> None:
    scale = np.array([[1, 10], [100, 1000]], np.float32)
    levels = Levels.affine(scale, np.zeros(1, np.float32), 8, (2, 3), 2)
    survivors = Survivors.from_positions(np.arange(6), np.arange(1, 7, dtype=np.uint8), (2, 3), levels)
    assert survivors.as_floats().values.tolist() == [1, 2, 30, 400, 500, 6000]


def test_what_is_refused() -> None:
    one = np.ones(2, np.float32)
    with pytest.raises(ValueError, match="matrix"):
        Survivors.from_dense(np.ones(3, np.float32))
    for positions in ([0, 0], [1, 0], [0, 6], [-1, 2]):
        with pytest.raises(ValueError, match="ascend from 0 to 5"):
            Survivors.from_positions(np.array(positions), one, (2, 3))
    with pytest.raises(ValueError, match="2 positions but 3 values"):
        Survivors.from_positions(np.array([0, 1]), np.ones(3, np.float32), (2, 3))
    book = Levels.codebook(np.ones(3, np.float32), (2, 3))
    with pytest.raises(ValueError, match="outside the table"):
        Survivors.from_positions(np.array([0, 1]), np.array([0, 3]), (2, 3), book)
    with pytest.raises(ValueError, match=r"need \[4, 1\] scales"):
        Survivors.from_positions(np.array([0, 1]), np.array([0, 1]), (4, 3), book)
    with pytest.raises(ValueError, match="do not fit 2 rows"):
        Levels.affine(np.ones(5, np.float32), one, 4, (2, 3))
