"""Tracing a user's own module: layers, calls, ties, counting, and the sentences for what cannot be traced."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from workbench.errors import ModelError
from workbench.network.model import Model


class Tied(nn.Module):
    """`first` and `second` share one weight, and `first` runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.last = nn.Linear(6, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(self.first(x))))


def test_tied_weights_are_one_layer_and_every_use_counts() -> None:
    model = Model.from_module(Tied(), torch.zeros(1, 6))
    assert [layer.name for layer in model.layers] == ["first", "last"]
    tied = model.layer("first")
    assert tied.aliases == ("second",)
    assert len(tied.calls) == 3
    assert set(model.rest) == {"first.bias", "second.bias"}


def test_a_module_under_two_names_is_one_layer_without_alias() -> None:
    shared = nn.Linear(4, 4)
    model = Model.from_module(nn.Sequential(shared, nn.ReLU(), shared), torch.zeros(1, 4))
    assert [(layer.name, len(layer.calls), layer.aliases) for layer in model.layers] == [("0", 2, ())]
    assert list(model.rest) == ["0.bias"]


def test_the_users_module_is_not_touched() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout()).train()
    before = module[0].weight.detach().clone()
    model = Model.from_module(module, torch.zeros(2, 4))
    assert module.training and module[0].weight.requires_grad
    assert not model.module.training
    torch.testing.assert_close(module[0].weight, before)
    with pytest.raises(ValueError, match="read-only"):
        model.layers[0].weight[0, 0] = 1.0


def test_a_lone_layer_is_a_network() -> None:
    model = Model.from_module(nn.Linear(3, 2), torch.zeros(1, 3))
    assert model.layers[0].shape == (2, 3)


def test_convolution_facts_and_where_the_other_tensors_are_counted() -> None:
    module = nn.Sequential(
        nn.Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 2, 3, padding="same"),
    )
    model = Model.from_module(module, torch.zeros(1, 4, 9, 12))
    first = model.layers[0]
    assert (first.groups, first.shape) == (2, (8, 2, 3, 5))
    assert first.calls[0].output_shape == (1, 8, 5, 8)
    assert dict(model.rest_part) == {
        "1.weight": "batch_norm",
        "1.bias": "batch_norm",
        "1.running_mean": "batch_norm",
        "1.running_var": "batch_norm",
        "2.bias": "biases",
    }


class Attention(nn.Module):
    """Products of two activations: counted, but no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.project(x).chunk(3, dim=-1)
        return torch.softmax(q @ k.transpose(1, 2), dim=-1) @ v


def test_products_of_activations_are_counted_outside_the_layers() -> None:
    model = Model.from_module(Attention(), torch.zeros(1, 5, 8))
    assert model.other_macs == 2 * 5 * 5 * 8
    assert model.uncounted == ()


def test_an_operator_without_a_rule_is_named() -> None:
    class Distances(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.cdist(x, x)[:, 0])

    assert Model.from_module(Distances(), torch.zeros(1, 5, 4)).uncounted == ("aten._cdist_forward",)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_name_their_layer(bad: float) -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    with torch.no_grad():
        module[1].weight[1, 2] = bad
    with pytest.raises(ModelError, match="Layer '1' has 1 weights that are NaN or infinite"):
        Model.from_module(module, torch.zeros(1, 3))


def test_statistics_that_are_not_finite_name_their_tensor() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    module[1].running_var[0] = float("nan")
    with pytest.raises(ModelError, match="Tensor '1.running_var'"):
        Model.from_module(module, torch.zeros(1, 1, 5, 5))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_an_empty_layer_is_named() -> None:
    with pytest.raises(ModelError, match=r"Layer '0' is empty: its weight has shape \(0, 3\)"):
        Model.from_module(nn.Sequential(nn.Linear(3, 0)), torch.zeros(1, 3))


def test_a_wrong_input_shape_names_the_layer_that_stopped_it() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"does not accept an input of shape \(1, 3\): layer '1' stopped it"):
        Model.from_module(module, torch.zeros(1, 3))


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="no weights that its forward pass multiplies"):
        Model.from_module(nn.Sequential(nn.ReLU(), nn.Flatten()), torch.zeros(1, 3))


def test_asking_for_a_layer_that_is_not_there_says_why() -> None:
    model = Model.from_module(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.zeros(1, 3))
    with pytest.raises(ModelError, match="Layer '1' of Sequential has no weights"):
        model.layer("1")
    with pytest.raises(ModelError, match="has no layer 'conv9'; its layers are 0"):
        model.layer("conv9")


@pytest.mark.parametrize("size", [3, 300])
def test_the_digest_follows_every_weight_and_bias(size: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(size, size))
    one, same = (Model.from_module(module, torch.zeros(1, size)) for _ in range(2))
    assert one.digest == same.digest
    digests = {one.digest}
    for tensor in (module[0].weight[size // 2], module[0].bias):
        with torch.no_grad():
            tensor[size // 2] += 1
        digests.add(Model.from_module(module, torch.zeros(1, size)).digest)
    assert len(digests) == 3


def test_other_tensors_beside_the_weights_are_those_of_the_network_that_has_them() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model = Model.from_module(module, torch.zeros(1, 3))
    changed = model.with_rest({"0.bias": np.ones(3, np.float32)})
    with torch.no_grad():
        module[0].bias.fill_(1)
    assert changed.digest == Model.from_module(module, torch.zeros(1, 3)).digest != model.digest
    assert changed.with_rest({"0.bias": model.rest["0.bias"]}).digest == model.digest


def test_the_digest_follows_what_is_computed() -> None:
    """The same weights behind other activations, padding, strides or a functional call are another network."""

    class Called(nn.Module):
        def __init__(self, negative_slope: float) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.slope = nn.Conv2d(1, 2, 3, padding=1), negative_slope

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.leaky_relu(self.layer(x), self.slope)

    def conv(mode: str = "zeros", activation: type[nn.Module] = nn.ReLU) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode=mode), activation())

    modules = [conv(), conv("reflect"), conv(activation=nn.Tanh), Called(0.1), Called(0.2)]
    digests = [Model.from_module(module, torch.zeros(1, 1, 5, 5)).digest for module in modules]
    assert len(set(digests)) == len(modules)
    assert Model.from_module(conv(), torch.zeros(1, 1, 5, 5)).digest == digests[0]


def test_a_layer_called_through_its_weight_only_is_a_layer() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(3, 3)
            self.bare = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.linear(self.used(x), self.bare.weight)

    model = Model.from_module(Functional(), torch.zeros(1, 3))
    assert [(layer.name, layer.called, layer.macs) for layer in model.layers] == [("used", True, 9), ("bare", False, 9)]
    assert list(model.rest) == ["used.bias", "bare.bias"] and model.other_macs == 0
    np.testing.assert_array_equal(model.layers[1].weight, model.module.bare.weight.numpy())


@pytest.mark.parametrize("heads", [4, 8])
def test_attention_is_counted_by_its_closed_form(heads: int) -> None:
    """4 L d² + 2 L² d multiply-accumulates, whatever the number of heads: in the layer itself and in an encoder."""
    rows, width, hidden = 300, 448, 64
    attention = 4 * rows * width**2 + 2 * rows**2 * width
    assert attention == 321_484_800
    encoder = nn.TransformerEncoderLayer(width, heads, hidden, batch_first=True, device="meta")
    model = Model.from_module(encoder, torch.zeros(1, rows, width))
    assert sum(layer.macs for layer in model.layers) + model.other_macs == attention + 2 * rows * width * hidden
    assert model.uncounted == ()


def test_scaled_dot_products_are_counted_on_the_processor() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(functional.scaled_dot_product_attention(x, x, x))

    model = Model.from_module(Product(), torch.zeros(1, 12, 64, 64))
    assert 2 * model.other_macs == 12_582_912 and model.uncounted == ()
