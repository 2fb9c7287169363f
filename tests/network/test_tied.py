"""Layers that share a weight, called under several names."""

import torch
from torch import nn

import workbench
from workbench.network.model import Model


class TwoNames(nn.Module):
    """`second` and `third` are one module, whose weight is that of `first`, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.third = self.second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(torch.relu(self.second(torch.relu(self.first(x)))))


def test_one_module_under_two_names_runs_packed() -> None:
    torch.manual_seed(0)
    model = Model.from_module(TwoNames(), torch.zeros(1, 64))
    x = torch.randn(5, 64)
    for sliders in ({"bits": 4}, {"sparsity": 0.9}, {"rank": 0.5, "bits": 8}):
        compressed = workbench.compress(model, workbench.Recipe.sliders(**sliders))
        with torch.no_grad():
            torch.testing.assert_close(compressed.packed()(x), compressed.to_torch()(x), rtol=0, atol=1e-4)


def test_a_layer_that_is_called_by_keyword_is_traced() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(input=x)

    model = Model.from_module(Named(), torch.zeros(1, 4))
    assert model.layers[0].calls[0].output_shape == (1, 3)


def test_the_users_own_example_is_neither_held_nor_changed() -> None:
    class Shifts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x -= 0.5
            return self.layer(x)

    batch = torch.ones(1000, 4)
    model = Model.from_module(Shifts(), batch)
    assert (batch == 1).all() and (model.example == 1).all()
    assert model.example.untyped_storage().nbytes() == 16


def test_a_model_is_made_in_inference_mode_as_well() -> None:
    with torch.inference_mode():
        model = Model.from_module(nn.Sequential(nn.Linear(4, 3)), torch.zeros(1, 4))
        assert workbench.compress(model, workbench.Recipe.sliders(bits=4)).packed()(torch.ones(2, 4)).shape == (2, 3)
