"""The zeros of a cut tensor whose weights share values: means over a bucket are smaller than what the cut spared."""

import numpy as np

from workbench.weights.form import Form
from workbench.weights.levels.hashed import Hashed
from workbench.weights.part import Cut, Part
from workbench.weights.tensor import SCHEMES, cheapest_of


def test_a_cut_counts_no_shared_value_as_zero_because_it_is_small():
    weights = np.random.default_rng(0).normal(size=(4, 48, 1, 1)).astype(np.float32)
    part = Part.of(weights).without(Cut(1.2))
    shared = part.rounded(Hashed.fitted(part.values, 134, 0))
    assert (np.abs(shared.values[shared.values != 0]) < 1.2).any()  # or this shows nothing
    assert shared.nonzeros == np.count_nonzero(shared.values)
    scheme, plan = cheapest_of(shared)
    stored = SCHEMES[scheme.name].encode(Form.whole(shared)).arrays()
    assert [size for _, _, size in plan.arrays] == [array.data.size for array in stored]
