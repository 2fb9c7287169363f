import numpy as np
import pytest

from tests import naive
from tests.kernels.sparse.test_sparse_stream import stream
from workbench.kernels.sparse.convolution import SparseConvolution
from workbench.kernels.sparse.stream import BITMAP, EVERY

# images, in, height, width, out, kernel, stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, 9, 11, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 4, 8, 8, 6, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    (2, 4, 5, 5, 4, (3, 3), (1, 1), (1, 1), (1, 1), 4),
    (1, 1, 14, 13, 3, (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 6, 7, 6, 4, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (3, 6, 7, 7, 4, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 5, 4, 2, 3, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (1, 3, 10, 12, 2, (3, 5), (2, 3), (2, 4), (2, 1), 1),
    (1, 2, 5, 5, 3, (2, 2), (3, 1), (0, 3), (1, 1), 1),
    (3, 2, 1, 40, 2, (1, 3), (1, 1), (0, 1), (1, 1), 1),
    (1, 2, 30, 31, 2, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (1, 30, 5, 5, 70, (3, 3), (1, 1), (1, 1), (1, 1), 1),
]
STORED = [
    (EVERY, "rows", 0.0),
    (BITMAP, "float32", 0.5),
    (5, "asymmetric", 0.8),
    (3, "table", 0.7),
    (4, "groups", 0.6),
    (8, "rows", 1.0),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("width", "kind", "zeros"), STORED)
def test_a_convolution_is_that_of_the_naive_loops(case, width: int, kind: str, zeros: float) -> None:
    images, channels, height, across, out, kernel, stride, padding, dilation, groups = case
    rng = np.random.default_rng(height)
    shape = (out, channels // groups, *kernel)
    matrix, dense = stream((out, int(np.prod(shape[1:]))), zeros, width, kind)
    x = rng.standard_normal((images, channels, height, across)).astype(np.float32)
    bias = rng.standard_normal(out).astype(np.float32)
    layer = SparseConvolution(matrix, shape, stride, padding, dilation, groups)
    expected = naive.sparse_convolution(dense.reshape(shape), x, bias, stride, padding, dilation, groups)
    for threads in (1, 3):
        y = layer.multiply(x, bias, threads)
        assert y.shape == expected.shape and np.allclose(y, expected, rtol=1e-5, atol=1e-4)
    without = layer.multiply(np.asfortranarray(x))
    assert np.allclose(without + bias[:, None, None], expected, rtol=1e-5, atol=1e-4)


def test_threads_change_no_bit() -> None:
    matrix, _ = stream((120, 40 * 9), 0.8, 4, "rows")
    assert matrix.blocks > 1
    layer = SparseConvolution(matrix, (120, 40, 3, 3), padding=(1, 1))
    x = np.random.default_rng(0).standard_normal((3, 40, 14, 14)).astype(np.float32)
    assert layer.multiply(x, threads=4).tobytes() == layer.multiply(x).tobytes()


def test_what_is_refused() -> None:
    matrix, _ = stream((4, 18), 0.0, BITMAP, "float32")
    with pytest.raises(ValueError, match="is no kernel"):
        SparseConvolution(matrix, (4, 3, 3, 3))
    with pytest.raises(ValueError, match="cannot have stride"):
        SparseConvolution(matrix, (4, 2, 3, 3), stride=(0, 1))
    with pytest.raises(ValueError, match="cannot have stride"):
        SparseConvolution(matrix, (4, 2, 3, 3), groups=3)
    layer = SparseConvolution(matrix, (4, 2, 3, 3))
    with pytest.raises(ValueError, match="does not fit into an image of 2×5"):
        layer.multiply(np.ones((1, 2, 2, 5), np.float32))
    with pytest.raises(ValueError, match=r"Images are float32 \[images, 2"):
        layer.multiply(np.ones((1, 3, 5, 5), np.float32))
    with pytest.raises(ValueError, match="A bias for 4 outputs"):
        layer.multiply(np.ones((1, 2, 5, 5), np.float32), np.ones(5, np.float32))
    assert layer.multiply(np.ones((0, 2, 5, 5), np.float32)).shape == (0, 4, 3, 3)
