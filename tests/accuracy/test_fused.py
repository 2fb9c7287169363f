"""A layer fused with what follows it gives what torch gives one after the other."""

import copy

import pytest
import torch
from torch import nn

from workbench.accuracy.fused import LaidOutConvolution, LaidOutLinear, follows, fused
from workbench.accuracy.graph import Graph
from workbench.models import zoo

ACTIVATIONS = (None, nn.ReLU(), nn.ReLU6())


def _norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, affine=affine).eval()
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.2, 3)
    if affine:
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    return norm


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("outputs", "inputs", "bias"), [(300, 784, True), (1, 1, True), (10, 500, False), (7, 33, True)]
)
@pytest.mark.parametrize("batch", [1, 100, 130])
def test_a_linear_layer(outputs: int, inputs: int, bias: bool, batch: int, activation: nn.ReLU | None) -> None:
    layer, x = nn.Linear(inputs, outputs, bias), 20 * torch.rand(batch, inputs) - 10
    with torch.inference_mode():
        after = [] if activation is None else [activation]
        expected = nn.Sequential(layer, *after)(x)
        for found in (LaidOutLinear(layer, activation), fused(layer, after, torch.contiguous_format)):
            torch.testing.assert_close(found(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", [None, "affine", "plain"])
@pytest.mark.parametrize(
    ("layer", "laid_out"),
    [
        (nn.Conv2d(3, 20, 5), True),
        (nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False), True),
        (nn.Conv2d(12, 12, 3, padding=1, groups=12), True),
        (nn.Conv2d(4, 6, (3, 1), dilation=2, padding=(2, 0), groups=2), True),
        (nn.Conv2d(4, 4, 3, padding="same"), False),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), False),
    ],
)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_convolution(
    layer: nn.Conv2d, laid_out: bool, norm: str | None, activation: nn.ReLU | None, layout: torch.memory_format
) -> None:
    after: list[nn.Module] = [] if norm is None else [_norm(layer.out_channels, norm == "affine")]
    after += [] if activation is None else [activation]
    layer = copy.deepcopy(layer).to(memory_format=layout)  # type: ignore[call-overload]
    x = (4 * torch.rand(5, layer.in_channels, 13, 11) - 2).contiguous(memory_format=layout)
    with torch.inference_mode():
        found = fused(layer, after, layout)
        expected = nn.Sequential(layer, *after)(x)
        torch.testing.assert_close(found(x), expected, rtol=1e-4, atol=1e-5)
        assert found(x).is_contiguous(memory_format=layout)
    if torch.backends.mkldnn.is_available():
        assert isinstance(found, LaidOutConvolution) == (laid_out and layout is torch.channels_last)


def test_what_follows_in_another_order_stays_where_it_is() -> None:
    conv, norm, relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval(), nn.ReLU()
    assert follows(conv, (), norm) and follows(conv, (norm,), relu) and follows(conv, (), relu)
    assert not follows(conv, (relu,), norm) and not follows(conv, (relu,), nn.ReLU6())
    assert not follows(nn.Linear(3, 4), (), norm) and not follows(conv, (), nn.Sigmoid())
    assert not follows(conv, (), nn.BatchNorm2d(4).train())
    assert not follows(conv, (), nn.BatchNorm2d(4, track_running_stats=False).eval())


@pytest.mark.parametrize(
    ("architecture", "taken_in"),
    [("lenet-300-100", 2), ("lenet-5", 1), ("resnet-8", 7 + 4), ("mobilenet-v2", 2 * 15 + 7), ("squeezenet", 13)],
)
def test_the_zoo_has_its_batch_norm_and_activations_taken_in(architecture: str, taken_in: int) -> None:
    """ResNet-8's second convolutions have their activation behind the sum; 7 of MobileNetV2's have none at all."""
    module = zoo.build(architecture).eval()
    paths = {path: () for path, one in module.named_modules() if isinstance(one, nn.Linear | nn.Conv2d)}
    graph = Graph(copy.deepcopy(module), paths)
    assert sum(len(slot.after) for slot in graph.slots.values()) == taken_in


class _Twice(nn.Module):
    """The layer's outputs before its activation are needed, too; another layer is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        z = self.relu(y) + y
        return self.relu(self.b(z)) - self.b(-z)


def test_nothing_is_taken_in_that_is_used_elsewhere() -> None:
    graph = Graph(_Twice(), {"a": (), "b": ()})
    assert not any(slot.after for slot in graph.slots.values())
