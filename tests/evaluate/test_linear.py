"""Linear layers laid out for oneDNN give what torch's give."""

import pytest
import torch
from torch import nn

from workbench.evaluate.linear import LaidOutLinear, fastest


@pytest.mark.parametrize(
    ("outputs", "inputs", "bias"), [(300, 784, True), (1, 1, True), (10, 500, False), (7, 33, True)]
)
@pytest.mark.parametrize("batch", [1, 100, 130])
def test_the_product_is_that_of_torch(outputs: int, inputs: int, bias: bool, batch: int) -> None:
    layer = nn.Linear(inputs, outputs, bias)
    x = torch.rand(batch, inputs)
    with torch.inference_mode():
        expected, found = layer(x), LaidOutLinear(layer)(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_only_large_linear_layers_are_laid_out() -> None:
    small, other, large = nn.Linear(10, 10), nn.Conv2d(64, 64, 3), nn.Linear(300, 784)
    assert fastest(small) is small and fastest(other) is other
    assert isinstance(fastest(large), LaidOutLinear) == torch.backends.mkldnn.is_available()
