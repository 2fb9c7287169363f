"""Maxima of slices are what torch's max pooling gives, bit for bit."""

import pytest
import torch
from torch import nn

from workbench.accuracy.pooling import SlicedMaxPool, sliced


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(28, 28), (7, 9), (3, 4)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_windows_that_do_not_overlap(size: int, shape: tuple[int, int], layout: torch.memory_format) -> None:
    x = torch.randn(4, 5, *shape)
    x[0, 0, 0, 0] = torch.nan
    x = x.contiguous(memory_format=layout)
    pool = nn.MaxPool2d(size)
    other = sliced(pool)
    assert isinstance(other, SlicedMaxPool)
    torch.testing.assert_close(other(x), pool(x), rtol=0, atol=0, equal_nan=True)


def test_an_image_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^A window of 3 does not fit into an image of \(2, 5\)\.$"):
        SlicedMaxPool(3)(torch.rand(1, 1, 2, 5))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2),
        nn.MaxPool2d(2, padding=1),
        nn.MaxPool2d((2, 1)),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, return_indices=True),
        nn.AvgPool2d(2),
    ],
)
def test_any_other_pooling_stays(pool: nn.Module) -> None:
    assert sliced(pool) is pool
