import numpy as np
import pytest

from workbench.kernels.sparse.survivors import Survivors


def test_dense_weights_and_positions_say_the_same() -> None:
    weights = np.array([[0, 1.5, 0], [2, 0, -3]], np.float32)
    dense = Survivors.from_dense(weights)
    assert dense.positions.tolist() == [1, 3, 5] and dense.values.tolist() == [1.5, 2, -3]
    listed = Survivors.from_positions(np.array([1, 3, 5]), np.array([1.5, 2, -3]), (2, 3))
    assert listed.values.dtype == np.float32 and np.array_equal(listed.values, dense.values)


def test_what_is_refused() -> None:
    one = np.ones(2, np.float32)
    with pytest.raises(ValueError, match="matrix"):
        Survivors.from_dense(np.ones(3, np.float32))
    for positions in ([0, 0], [1, 0], [0, 6], [-1, 2]):
        with pytest.raises(ValueError, match="ascend from 0 to 5"):
            Survivors.from_positions(np.array(positions), one, (2, 3))
    with pytest.raises(ValueError, match="2 positions but 3 values"):
        Survivors.from_positions(np.array([0, 1]), np.ones(3, np.float32), (2, 3))
