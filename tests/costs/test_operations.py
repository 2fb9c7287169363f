"""Operations against hand counts, and against torch's own counter on every architecture of the zoo."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.chains import channel, spatial
from workbench.compression.compressed import CompressedModel, compress
from workbench.costs import figures
from workbench.devices.device import Device
from workbench.models import zoo
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.figures import Figures
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine
from workbench.weights.part import Part

IMAGE = torch.zeros(1, 6, 12, 10)  # 6 channels, 12 high, 10 wide


def uncompressed(module: nn.Module, example: torch.Tensor) -> CompressedModel:
    return compress(Model.from_module(module, example), Recipe())


def with_forms(module: nn.Module, example: torch.Tensor, **forms: Form) -> CompressedModel:
    """The compressed model whose layers (their dots written as _) have the given forms."""
    model = Model.from_module(module, example)
    named = {layer.name: forms.get(f"layer_{layer.name}", Form.of(layer.weight)) for layer in model.layers}
    return CompressedModel(model, named)


def counted(compressed: CompressedModel) -> Figures:
    return Figures(None, figures(compressed, Device.load("horowitz-45nm")))


def ones(*shape: int) -> Part:
    return Part.of(np.ones(shape, np.float32))


def torch_macs(module: nn.Module, example: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(example)
    return counter.get_total_flops() // 2


class Twice(nn.Module):
    """`middle` is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(7, 5)
        self.middle = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.middle(self.middle(self.first(x)))


@pytest.mark.parametrize(
    ("module", "example", "by_hand"),
    [
        # outputs x inputs
        (nn.Linear(40, 30), torch.zeros(1, 40), 30 * 40),
        # the same for each of 9 rows
        (nn.Linear(40, 30), torch.zeros(1, 9, 40), 9 * 30 * 40),
        # output height x width x outputs x inputs x kernel height x width
        (nn.Conv2d(6, 8, 3), IMAGE, 10 * 8 * 8 * 6 * 3 * 3),
        # padding keeps 12 x 10; a product with a padded zero counts
        (nn.Conv2d(6, 8, 3, padding=1), IMAGE, 12 * 10 * 8 * 6 * 3 * 3),
        (nn.Conv2d(6, 8, 3, padding="same"), IMAGE, 12 * 10 * 8 * 6 * 3 * 3),
        # stride 2: (12 - 3) // 2 + 1 = 5 by (10 - 3) // 2 + 1 = 4
        (nn.Conv2d(6, 8, 3, stride=2), IMAGE, 5 * 4 * 8 * 6 * 3 * 3),
        # dilation 2 makes the kernel span 5: 8 x 6
        (nn.Conv2d(6, 8, 3, dilation=2), IMAGE, 8 * 6 * 8 * 6 * 3 * 3),
        # 2 groups: each output sees 6 / 2 inputs
        (nn.Conv2d(6, 8, 3, groups=2), IMAGE, 10 * 8 * 8 * 3 * 3 * 3),
        # depthwise: each output sees one input
        (nn.Conv2d(6, 6, 3, groups=6, padding=1), IMAGE, 12 * 10 * 6 * 1 * 3 * 3),
        # pointwise
        (nn.Conv2d(6, 8, 1), IMAGE, 12 * 10 * 8 * 6),
        # kernel 5 x 1, stride (3, 2), padding (2, 0): (12 + 4 - 5) // 3 + 1 = 4 by (10 - 1) // 2 + 1 = 5
        (nn.Conv2d(6, 8, (5, 1), stride=(3, 2), padding=(2, 0)), IMAGE, 4 * 5 * 8 * 6 * 5 * 1),
        # 5 x 7 once, 5 x 5 twice
        (Twice(), torch.zeros(1, 7), 5 * 7 + 2 * 5 * 5),
    ],
)
def test_dense_macs_equal_hand_counts(module: nn.Module, example: torch.Tensor, by_hand: int) -> None:
    found = counted(uncompressed(module, example))
    assert found.macs == found.effective_macs == by_hand
    assert found.bit_operations.value == by_hand * 32 * 32
    assert not found.bit_operations.at_least
    assert torch_macs(module, example) == by_hand


CHANNEL = channel(ones(4, 6, 3, 3), ones(8, 4, 1, 1))
SPATIAL = spatial(ones(4, 6, 3, 1), ones(8, 4, 1, 3))


@pytest.mark.parametrize(
    ("module", "form", "by_hand"),
    [
        # rank 4 of 30 x 40: 4 x 40, then 30 x 4
        (nn.Linear(40, 30), channel(ones(4, 40), ones(30, 4)), 4 * 40 + 30 * 4),
        # both factors on the 12 x 10 outputs
        (nn.Conv2d(6, 8, 3, padding=1), CHANNEL, 12 * 10 * 4 * 6 * 3 * 3 + 12 * 10 * 8 * 4),
        # the first factor strides: both factors on 5 x 4 outputs
        (nn.Conv2d(6, 8, 3, stride=2), CHANNEL, 5 * 4 * 4 * 6 * 3 * 3 + 5 * 4 * 8 * 4),
        # vertical 3 x 1 without padding: 10 x 10; then horizontal 1 x 3: 10 x 8
        (nn.Conv2d(6, 8, 3), SPATIAL, 10 * 10 * 4 * 6 * 3 + 10 * 8 * 8 * 4 * 3),
        # vertical strides and pads rows only: (12 + 2 - 3) // 2 + 1 = 6 by 10; then (10 + 2 - 3) // 2 + 1 = 5 wide
        (nn.Conv2d(6, 8, 3, stride=2, padding=1), SPATIAL, 6 * 10 * 4 * 6 * 3 + 6 * 5 * 8 * 4 * 3),
    ],
)
def test_factored_layers_count_both_factors(module: nn.Module, form: Form, by_hand: int) -> None:
    example = torch.zeros(1, 40) if isinstance(module, nn.Linear) else IMAGE
    compressed = with_forms(nn.Sequential(module), example, layer_0=form)
    assert counted(compressed).macs == by_hand
    assert torch_macs(compressed.to_torch(), example) == by_hand


def test_effective_macs_leave_out_exact_zeros_and_bits_weigh_them() -> None:
    weight = np.ones((8, 6, 3, 3), np.float32)
    weight[0] = 0  # 6 * 3 * 3 zeros of 8 * 6 * 3 * 3
    levels = Affine(4, Grouping("tensor"), np.ones(1, np.float32), np.zeros(1, np.float32), symmetric=False)
    part = Part.on_levels(levels, weight.astype(np.uint8), weight == 0)
    module = nn.Sequential(nn.Conv2d(6, 8, 3), nn.Flatten(), nn.Linear(8 * 10 * 8, 2))
    found = counted(with_forms(module, IMAGE, layer_0=Form.whole(part)))
    conv, linear = 10 * 8 * 8 * 6 * 3 * 3, 2 * 8 * 10 * 8
    assert found.macs == conv * 7 // 8 + linear  # the output that is all zero is left out
    assert found.costs["macs"].by_layer["0"] == conv * 7 // 8
    assert found.costs["effective_macs"].by_layer["0"] == 10 * 8 * 7 * 6 * 3 * 3
    assert found.effective_macs == 10 * 8 * 7 * 6 * 3 * 3 + linear
    assert found.bit_operations.value == 10 * 8 * 7 * 6 * 3 * 3 * 4 * 32 + linear * 32 * 32


@pytest.mark.parametrize("architecture", [name for name in zoo.architectures() if name not in zoo.listed()])
@pytest.mark.parametrize("method", [None, "factorize.svd", "factorize.spatial-svd"])
def test_macs_equal_torchs_counter_on_the_zoo(architecture: str, method: str | None) -> None:
    example = torch.zeros(1, *zoo.facts(architecture)["input_shape"])
    recipe = Recipe() if method is None else Recipe.sliders(rank=0.4, methods={"rank": method})
    compressed = compress(Model.from_module(zoo.build(architecture), example), recipe)
    found = counted(compressed)
    assert found.macs == torch_macs(compressed.to_torch(), example)
    assert found.macs == sum(found.costs["macs"].by_layer.values())
    assert not found.bit_operations.at_least


class Attention(nn.Module):
    """Two linear layers and two products of activations: (5 x 8) (8 x 5), then (5 x 5) (5 x 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query = self.query(x)
        scores = torch.softmax(torch.bmm(query, query.transpose(1, 2)), -1)
        return self.out(torch.bmm(scores, query))


def test_products_of_activations_count_at_full_width() -> None:
    found = counted(uncompressed(Attention(), torch.zeros(1, 5, 8)))
    layers = 5 * 8 * 8 + 5 * 3 * 8
    between = 5 * 5 * 8 + 5 * 8 * 5
    assert found.macs == found.effective_macs == layers + between
    assert found.bit_operations.value == (layers + between) * 32 * 32
    assert sum(found.costs["macs"].by_layer.values()) == layers


class Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x + torch.cdist(x, x).mean())


def test_an_operator_that_cannot_be_counted_makes_the_figures_at_least() -> None:
    found = counted(uncompressed(Distances(), torch.zeros(1, 5, 8)))
    assert found.bit_operations.at_least
    assert found.macs >= 5 * 8 * 3
