"""Modules that cannot be taken as they are: made plain where that changes no answer, or refused by one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from workbench.compression.compressed import compress, read
from workbench.errors import ModelError
from workbench.methods.factorize.svd import SVD
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


def masked(layer: nn.Module) -> nn.Module:
    prune.random_unstructured(layer, "weight", 0.5)
    return prune.l1_unstructured(layer, "bias", 1)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "computed",
    [
        masked,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
    ],
)
def test_a_weight_that_is_computed_becomes_a_plain_one_and_the_report_says_so(
    computed: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(computed(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 2)).eval()
    module(torch.rand(2, 6)).sum().backward()  # what it computes is no leaf then
    names, x = list(module.state_dict()), torch.rand(3, 6)
    with torch.no_grad():
        expected = module(x)
    compressed = compress(Model.from_module(module, torch.zeros(1, 6)), Recipe())
    torch.testing.assert_close(compressed.to_torch()(x), expected, rtol=1e-6, atol=1e-6)
    assert any("0.weight" in note.text for note in compressed.notes)
    again = read(compressed.save(tmp_path / "own.cwb"), module)
    torch.testing.assert_close(again.to_torch()(x), expected, rtol=1e-6, atol=1e-6)
    assert list(module.state_dict()) == names


class Growing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "head"):
            self.head = nn.Linear(5, 2)
        return self.head(self.first(x))


class Holding(nn.Module):
    """A layer, and something beside it."""

    def __init__(self, buffer: torch.Tensor | None = None, state: Any = None) -> None:
        super().__init__()
        self.layer, self.state = nn.Linear(6, 2), state
        if buffer is not None:
            self.register_buffer("beside", buffer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Stateful(Holding):
    def get_extra_state(self) -> Any:
        return {"vocabulary": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


def bound_to_another() -> nn.Module:
    """A copy of it would go on computing with the weight of the first one."""
    layer = nn.Linear(6, 2)
    plain = layer.forward
    layer.forward = lambda x: plain(x).sin()  # type: ignore[method-assign]
    return nn.Sequential(layer)


def huge() -> nn.Module:
    module = nn.Linear(6, 2)
    nn.init.constant_(module.weight, 3.4e38)
    return module


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(3)), "Layer '0' has no weights yet; run the network once"),
        (lambda: nn.Sequential(nn.Linear(6, 3), nn.LazyBatchNorm1d()), "yet; run the network once"),
        (lambda: torch.jit.script(nn.Sequential(nn.Linear(6, 2))), "is compiled"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(6, 2)), nn.Linear(2, 2)), "Module '0' is compiled"),
        (Growing, "adds module 'head' in its forward pass; run it once before"),
        (lambda: Holding(torch.eye(3).to_sparse()), "Tensor 'beside' is of kind sparse_coo"),
        (lambda: Holding(torch.zeros(2, dtype=torch.complex64)), "Tensor 'beside' is of kind complex64"),
        (lambda: Stateful(), "State '_extra_state' is no tensor but dict"),
        (lambda: Holding(state=(one for one in "ab")), "The network cannot be copied .TypeError: "),
        (lambda: nn.Sequential(nn.Linear(6, 2, dtype=torch.complex64)), "Tensor '0.weight' is of kind complex64"),
        (
            lambda: torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(6, 2), nn.ReLU()), {nn.Linear}),
            "State '0._packed_params.dtype' is no tensor",
        ),
        (huge, r"Layer '0' has weights as large as 3.4e\+38; beyond 1e\+15 sums of them overflow"),
        (bound_to_another, "Layer '0' is called, but what is computed then does not read its weight"),
        (
            lambda: nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 2, device="meta")),
            r"Tensor '1.weight' has no values \(device meta\), and others have",
        ),
        (lambda: print, "The network must be a torch module, not builtin_function_or_method"),
    ],
)
def test_what_cannot_be_taken_is_named(made: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        Model.from_module(made(), torch.zeros(1, 6))


@pytest.mark.parametrize(
    ("example", "sentence"),
    [
        ((), "must be tensors .*: there is none"),
        ((torch.zeros(1, 6), 3), "must be tensors .*: input 1 is of type int"),
        ({"x": [torch.zeros(1, 6)]}, "input 'x' is of type list"),
        ((torch.zeros(1, 6), torch.eye(6).to_sparse()), "dense tensors of real numbers"),
        (3, "not int"),
        (None, "not NoneType"),
        (np.zeros((1, 6), np.float32), "not ndarray"),
        (torch.zeros(()), r"has shape \(\), in which there is no input"),
        (torch.zeros(0, 6), r"has shape \(0, 6\), in which there is no input"),
        (torch.eye(6).to_sparse(), "a dense tensor of real numbers"),
        (torch.zeros(1, 6, dtype=torch.complex64), "a dense tensor of real numbers"),
        (torch.full((1, 6), float("nan")), "NaN or infinite"),
    ],
)
def test_an_example_that_is_no_batch_of_inputs_is_told(example: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        Model.from_module(nn.Linear(6, 2), example)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_an_example_of_another_width_is_taken_as_float32(dtype: torch.dtype) -> None:
    model = Model.from_module(nn.Linear(6, 2), torch.ones(3, 6, dtype=dtype, requires_grad=True))
    assert (model.example.dtype, tuple(model.example.shape)) == (torch.float32, (1, 6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_counted_at_their_own_width(dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 5)).to(dtype)
    with torch.no_grad():  # the smallest and the largest that there are, and both zeros
        own = torch.finfo(dtype)
        ends = (own.smallest_normal, -own.smallest_normal / 4, 0.0, -0.0, min(own.max, 1e4))
        module[0].weight[0, :5] = torch.tensor(ends, dtype=dtype)
    model = Model.from_module(module, torch.zeros(1, 40))
    assert str(dtype).removeprefix("torch.") in model.remarks[0]
    compressed = compress(model, Recipe())
    parts = [form.parts[0] for form in compressed.forms.values()]
    assert [part.bits for part in parts] == [16, 16]
    size = compressed.size
    assert size.split["codes"] == 2 * (40 * 30 + 30 * 5)
    again = read(compressed.save(tmp_path / "half.cwb"), module)
    for layer, part in zip(model.layers, parts, strict=True):
        expected = module.get_parameter(layer.parameter).detach().float().numpy()
        np.testing.assert_array_equal(part.values, expected)
        np.testing.assert_array_equal(part.levels.decode(part.codes), expected)
        np.testing.assert_array_equal(again.forms[layer.name].parts[0].values, expected)
    assert again.size.value == size.value
    rounded = compress(model, Recipe((Step(SVD(rank=0.5), layers=("0",)), Step(Uniform(bits=4)))))
    assert not any("earlier step" in note.text for note in rounded.notes)


def test_a_network_that_does_not_take_noise_can_be_traced() -> None:
    class Strict(Holding):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.abs().max() <= 1
            return self.layer(x)

    assert Model.from_module(Strict(), torch.zeros(1, 6)).decides
