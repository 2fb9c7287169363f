import numpy as np
import pytest

from workbench.kernels.sparse.patterns import in_blocks, most_in_a_run


@pytest.mark.parametrize("threshold", [0.0, 0.7])
@pytest.mark.parametrize("shape", [(1, 3), (9, 37), (20, 64), (0, 8), (5, 0)])
def test_counts_are_those_of_plain_loops_and_end_where_there_are_more(shape: tuple[int, int], threshold: float) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(shape, np.float32) * (rng.random(shape) < 0.4)
    weights = weights.astype(np.float32)
    alive = np.abs(weights) > threshold
    rows, columns = shape
    for size in (4, 8, 16):
        starts = range(0, columns - size + 1, size)
        most = max([alive[row, at : at + size].sum() for row in range(rows) for at in starts], default=0)
        assert most_in_a_run(weights, size, threshold, size) == most
        assert most_in_a_run(weights, size, threshold, most) == most
        assert most == 0 or most_in_a_run(weights, size, threshold, most - 1) == most
        blocks = [alive[top : top + size, column] for top in range(0, rows, size) for column in range(columns)]
        listed = sum(block.size for block in blocks if block.any())
        assert in_blocks(weights, size, threshold, rows * columns) == listed
        assert listed == 0 or in_blocks(weights, size, threshold, listed - 1) >= listed
