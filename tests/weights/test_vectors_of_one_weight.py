"""Product quantisation with vectors one weight long: its codes have the tensor's shape, yet a table for each column."""

import numpy as np

from workbench.weights.form import Form
from workbench.weights.levels.vectors import Vectors
from workbench.weights.part import Part
from workbench.weights.tensor import SCHEMES


def test_zeros_keep_the_code_that_their_own_column_has_for_them():
    zero_first, zero_last = np.array([[0.0], [1.0]]), np.array([[-1.0], [0.0]])
    levels = Vectors((64, 6), np.stack([zero_first, zero_last] * 3).astype(np.float32))
    weights = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=(64, 6)).astype(np.float32)
    part = Part.of(weights).rounded(levels)
    assert part.codes is not None and part.codes.shape == part.shape  # or this shows nothing
    assert 0 < part.nonzeros < part.size
    encoding = SCHEMES["vectors"].encode(Form.whole(part))
    np.testing.assert_array_equal(encoding.decode().compose(), part.values)
