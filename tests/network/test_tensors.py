"""No tensor of a user's network is lost, changed or cut down on its way into a model, a file and back."""

from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress, read
from workbench.errors import ModelError
from workbench.network.model import Model
from workbench.recipe import Recipe


class Buffered(nn.Module):
    """A layer and tensors beside it, added to its answer one after the other."""

    def __init__(self, **buffers: torch.Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        for buffer in self.buffers():
            y = y + buffer.reshape(-1)[-4:].float()
        return y


def slices() -> nn.Module:
    whole = torch.rand(8)
    return Buffered(first=whole[:4], whole=whole, last=whole[4:], table=whole.view(2, 4), turned=whole.view(2, 4).t())


def named_like_a_counter() -> nn.Module:
    return Buffered(num_batches_tracked=torch.rand(4), of_tokens_num_batches_tracked=torch.arange(4))


@pytest.mark.parametrize("made", [slices, named_like_a_counter])
def test_every_buffer_is_in_the_file(made: type[nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, other, x = made(), made(), torch.rand(3, 4)
    path = compress(Model.from_module(module, torch.zeros(1, 4)), Recipe()).save(tmp_path / "own.cwb")
    with torch.no_grad():
        expected = module(x)
        torch.testing.assert_close(read(path, other).to_torch()(x), expected, rtol=0, atol=0)
        assert not torch.equal(other(x), expected)


def test_counters_of_training_are_left_out() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert "1.num_batches_tracked" not in Model.from_module(module, torch.zeros(1, 1, 5, 5)).rest


@pytest.mark.parametrize("persistent", [True, False])
def test_numbers_beyond_float32_are_named(persistent: bool) -> None:
    module = Buffered()
    module.register_buffer("far", torch.tensor([1e300, 1.0], dtype=torch.float64), persistent=persistent)
    with pytest.raises(ModelError, match=r"Tensor 'far' has values beyond 3.4e\+38, which float32 cannot hold"):
        Model.from_module(module, torch.zeros(1, 4))


def test_a_network_in_float64_is_taken_as_float32() -> None:
    module = nn.Linear(4, 2).double()
    model = Model.from_module(module, torch.zeros(1, 4, dtype=torch.float64))
    assert (model.layers[0].weight == module.weight.detach().float().numpy()).all()


class Counting(nn.Module):
    """Adds up its passes, in a tensor and beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.passes = nn.Linear(4, 2), 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        self.seen += 1
        return self.layer(x) + self.seen


def test_tracing_leaves_no_trace() -> None:
    module = Counting()
    model = Model.from_module(module, torch.zeros(1, 4))
    kept = model.module
    assert isinstance(kept, Counting)
    assert (float(model.rest["seen"]), float(kept.seen), kept.passes) == (0, 0, 0)
    assert (float(module.seen), module.passes) == (0, 0)


def test_a_parameter_that_a_pass_changes_is_named() -> None:
    class Learning(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.layer.bias += 1
            return self.layer(x)

    with pytest.raises(ModelError, match="changes its parameter 'layer.bias' in its forward pass"):
        Model.from_module(Learning(), torch.zeros(1, 4))
