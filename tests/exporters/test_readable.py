"""What `save` writes, `read` reads: networks whose pass depends on the input's type or values, and extreme weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import CompressedModel, compress, read
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.errors import DataError, FormatError, ModelError
from workbench.method import Method
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

METHODS = (Uniform(bits=1), Uniform(bits=4, symmetric="no"), KMeans(bits=2), Magnitude(sparsity=0.5), SVD(rank=0.5))


def there_and_back(compressed: CompressedModel, module: nn.Module, path: Path, x: torch.Tensor) -> CompressedModel:
    compressed.save(path)
    assert path.stat().st_size == compressed.size.value
    again = read(path, module)
    with torch.no_grad():
        torch.testing.assert_close(again.to_torch()(x), compressed.to_torch()(x), rtol=0, atol=0)
    assert again.size.value == compressed.size.value
    assert [layer.calls for layer in again.model.layers] == [layer.calls for layer in compressed.model.layers]
    return again


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.hidden, self.out = nn.Embedding(10, 6), nn.Linear(18, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.hidden(self.table(x).flatten(1)).relu())


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("method", METHODS[:2])
def test_a_network_that_takes_whole_numbers(dtype: torch.dtype, method: Method, tmp_path: Path) -> None:
    tokens = torch.arange(30).reshape(10, 3).to(dtype) % 10
    compressed = compress(Model.from_module(Words(), tokens), Recipe((Step(method),)))
    again = there_and_back(compressed, Words(), tmp_path / "words.cwb", tokens)
    assert again.model.example.dtype == dtype
    torch.testing.assert_close(again.packed()(tokens), compressed.to_torch()(tokens), rtol=1e-4, atol=1e-4)


def test_accuracy_of_a_network_that_takes_whole_numbers() -> None:
    tokens, labels = np.arange(300).reshape(100, 3) % 10, np.arange(100) % 2
    model = Model.from_module(
        Words(), torch.zeros(1, 3, dtype=torch.int64), Dataset.from_arrays("w", test=(tokens, labels))
    )
    with torch.no_grad():
        right = float((Words()(torch.from_numpy(tokens)).argmax(1).numpy() == labels).mean())
    figures = assess(compress(model, Recipe()), latency=True).original
    assert figures is not None and figures.accuracy is not None
    assert figures.accuracy.value == right


@pytest.mark.parametrize(
    ("images", "sentence"), [(np.zeros((2, 3), np.uint8), "bytes"), (np.full((2, 3), 0.5), "fractions")]
)
def test_images_that_are_no_whole_numbers_are_refused_where_these_are_taken(images: Any, sentence: str) -> None:
    data = Dataset.from_arrays("w", test=(images, np.zeros(2, int)))
    with pytest.raises(DataError, match=f"Split test of w has {sentence}.*the network takes whole numbers"):
        Model.from_module(Words(), torch.zeros(1, 3, dtype=torch.int64), data)


class Chooses(nn.Module):
    """Which layer works depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.bright, self.dark = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bright(x) if x.sum() > 0 else self.dark(x)


@pytest.mark.parametrize(("level", "layer"), [(1.0, "bright"), (0.0, "dark"), (-1.0, "dark")])
def test_a_network_that_chooses_by_values(level: float, layer: str, tmp_path: Path) -> None:
    x = torch.full((1, 4), level)
    compressed = compress(Model.from_module(Chooses(), x), Recipe.sliders(bits=4))
    again = there_and_back(compressed, Chooses(), tmp_path / "chooses.cwb", x)
    assert [one.name for one in again.model.layers] == [layer]


def test_a_network_that_another_way_of_rounding_sends_another_way_is_not_written(tmp_path: Path) -> None:
    """0.4 and 0.2 share one bit's magnitude, so the sum that decides is no longer above 0.15."""

    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.more = nn.Linear(2, 1, bias=False), nn.Linear(1, 1)
            self.first.weight.data = torch.tensor([[0.4, -0.2]])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            return self.more(y) if y.item() > 0.15 else y

    compressed = compress(Model.from_module(Chooses(), torch.ones(1, 2)), Recipe.sliders(bits=1))
    with pytest.raises(FormatError, match="with these weights it is another one at layer 'more'"):
        compressed.save(tmp_path / "chooses.cwb")
    assert not (tmp_path / "chooses.cwb").exists()


@pytest.mark.parametrize("size", [1e15, 1e-40, 1e-45])
@pytest.mark.parametrize("method", METHODS)
def test_weights_as_large_and_as_small_as_can_be(size: float, method: Method, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Linear(16, 16)
    module.weight.data = torch.rand(16, 16).sub(0.5).sign() * size
    compressed = compress(Model.from_module(module, torch.zeros(1, 16)), Recipe((Step(method),)))
    there_and_back(compressed, module, tmp_path / "extreme.cwb", torch.rand(2, 16))


def test_weights_beyond_that_are_refused() -> None:
    module = nn.Linear(16, 16)
    module.weight.data.fill_(1.1e15)
    with pytest.raises(ModelError, match="Layer '0' has weights as large"):
        Model.from_module(module, torch.zeros(1, 16))
