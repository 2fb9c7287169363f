"""The packed runtime: the same scores as the simulated network, from encoded bytes and with no dense copy."""

import gc
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.accuracy.network import BATCH
from workbench.accuracy.order import class_balanced_order
from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import ModelError
from workbench.methods.factorize.spatial_svd import SpatialSVD
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.models import zoo
from workbench.network import packed as runtime
from workbench.network.model import Model, load
from workbench.recipe import Recipe, Step
from workbench.weights.choice import named
from workbench.weights.encoding import Convolution
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine
from workbench.weights.part import Part

TOLERANCE = 1e-4  # of the largest logit
NAMES = ["lenet-300-100/mnist", "branchy-lenet/mnist", *(name for name in zoo.names() if "lenet" not in name)]
RECIPES = {
    "as it came": (),
    "1 bit": (Uniform(bits=1),),
    "2 bits, groups": (Uniform(bits=2, per="group"),),
    "4 bits": (Uniform(bits=4),),
    "4 bits, asymmetric": (Uniform(bits=4, symmetric="no"),),
    "8 bits, tensor": (Uniform(bits=8, per="tensor"),),
    "k-means 1": (KMeans(bits=1),),
    "k-means 5": (KMeans(bits=5),),
    "half zeros": (Magnitude(sparsity=0.5),),
    "90 % zeros": (Magnitude(sparsity=0.9),),
    "half zeros, 1 bit": (Magnitude(sparsity=0.5), Uniform(bits=1)),
    "half zeros, 8 bits": (Magnitude(sparsity=0.5), Uniform(bits=8)),
    "90 % zeros, 4 bits": (Magnitude(sparsity=0.9), Uniform(bits=4)),
    "90 % zeros, 8 bits": (Magnitude(sparsity=0.9), Uniform(bits=8)),
    "80 % zeros, k-means 4": (Magnitude(sparsity=0.8), KMeans(bits=4)),
    "90 % zeros, k-means 3": (Magnitude(sparsity=0.9), KMeans(bits=3)),
    "all zeros": (Magnitude(sparsity=1.0),),
    "half rank": (SVD(rank=0.5),),
    "half rank, half zeros, 4 bits": (SVD(rank=0.5), Magnitude(sparsity=0.5), Uniform(bits=4)),
    "half rank, 80 % zeros, 4 bits": (SVD(rank=0.5), Magnitude(sparsity=0.8), Uniform(bits=4)),
    "spatial rank, 2 bits": (SpatialSVD(rank=0.5), Uniform(bits=2)),
}


@cache
def network(name: str) -> Model:
    """The trained network, or an untrained one where its weights are not there."""
    entry = zoo.entry(name)
    if entry.weights.exists():
        return load(name)
    return Model.from_module(
        zoo.build(entry.architecture), torch.zeros(1, *entry.input_shape), entry.data, name, entry.architecture
    )


@cache
def images(name: str, count: int) -> torch.Tensor:
    data = network(name).data
    assert data is not None
    test = data.split("test")
    return test.inputs()[class_balanced_order(test.labels)[:count]]


def scores(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([module(batch) for batch in x.split(BATCH)])


def agree(compressed: CompressedModel, x: torch.Tensor) -> int:
    """Check logits and answers; the number of answers that differ because two classes tie."""
    simulated, packed = scores(compressed.to_torch(), x), scores(compressed.packed(), x)
    scale = float(simulated.abs().max())
    torch.testing.assert_close(packed, simulated, rtol=0, atol=max(TOLERANCE * scale, 1e-30))
    other = simulated.argmax(1) != packed.argmax(1)
    best = simulated.topk(2, dim=1).values
    assert (best[other, 0] - best[other, 1] < TOLERANCE * scale).all()
    return int(other.sum())


def compressed_by(name: str, recipe: str) -> CompressedModel:
    return compress(network(name), Recipe(tuple(Step(method) for method in RECIPES[recipe])))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", NAMES)
def test_scores_and_answers_are_those_of_the_simulated_network(name: str, recipe: str) -> None:
    assert agree(compressed_by(name, recipe), images(name, 300)) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["4 bits", "90 % zeros, 4 bits", "half rank, half zeros, 4 bits", "half zeros"])
@pytest.mark.parametrize("name", zoo.names())
def test_answers_agree_on_every_test_image(
    name: str, recipe: str, record_property: Callable[[str, object], None]
) -> None:
    data = network(name).data
    assert data is not None
    ties = agree(compressed_by(name, recipe), images(name, len(data.split("test"))))
    record_property("ties", ties)
    assert ties <= 20


@pytest.mark.parametrize("encoding", ["dense", "bitmap", "relative-index"])
@pytest.mark.parametrize("methods", ["4 bits", "90 % zeros, k-means 3", "half rank, half zeros, 4 bits"])
def test_forced_encodings_multiply_alike(encoding: str, methods: str) -> None:
    model = network("lenet-5/mnist")
    steps = tuple(Step(method) for method in RECIPES[methods])
    recipe = Recipe(steps, dict.fromkeys((layer.name for layer in model.layers), encoding))
    agree(compress(model, recipe), images("lenet-5/mnist", 100))


def wide() -> Model:
    torch.manual_seed(0)
    return Model.from_module(nn.Sequential(nn.Linear(1024, 768), nn.ReLU(), nn.Linear(768, 640)), torch.zeros(1, 1024))


def payload(compressed: CompressedModel) -> int:
    return sum(stored.data.nbytes for one in compressed.encodings.values() for stored in one.arrays())


def weight_bytes(module: nn.Module) -> int:
    """What is held but for the biases, which are no part of an encoding."""
    layers = [one for one in module.modules() if isinstance(one, nn.Linear | runtime.PackedLinear)]
    biases = [one.bias.nbytes for one in layers if one.bias is not None]
    return runtime.nbytes(module) - sum(biases)


def held_and_encoded(compressed: CompressedModel) -> dict[str, tuple[int, int, int]]:
    """Of each layer: bytes that its packed weights take, bytes of its encoding, and the number of tensors."""
    module, found = compressed.packed(), {}
    for name, encoding in compressed.encodings.items():
        layer = module.get_submodule(name)
        tensors = list(layer) if isinstance(layer, nn.Sequential) else [layer]
        held = sum(
            one.kernel.nbytes if isinstance(one, runtime.PackedLinear | runtime.PackedConv2d) else one.weight.nbytes
            for one in tensors
        )
        found[name] = held, sum(stored.data.nbytes for stored in encoding.arrays()), len(tensors)
    return found


SMALL = [
    "1 bit",
    "4 bits",
    "4 bits, asymmetric",
    "k-means 5",
    "half zeros",
    "90 % zeros, 4 bits",
    "90 % zeros, 8 bits",
    "80 % zeros, k-means 4",
    "half rank, 80 % zeros, 4 bits",
]


@pytest.mark.parametrize("recipe", SMALL)
@pytest.mark.parametrize("name", NAMES)
def test_memory_held_is_the_encoded_bytes(name: str, recipe: str) -> None:
    """Where blocks of rows begin takes 32 bytes for one block, 16 for each other; zeros as codes may take 15 %."""
    layers = held_and_encoded(compressed_by(name, recipe))
    for layer, (held, encoded, tensors) in layers.items():
        assert held <= 1.15 * encoded + 48 * tensors, layer
    assert sum(held for held, _, _ in layers.values()) <= 1.15 * sum(encoded for _, encoded, _ in layers.values())


@pytest.mark.parametrize("recipe", ["2 bits, groups", "8 bits, tensor", "90 % zeros", "half zeros, 1 bit", "half rank"])
def test_memory_held_of_a_wide_layer(recipe: str) -> None:
    compressed = compress(wide(), Recipe(tuple(Step(method) for method in RECIPES[recipe])))
    assert weight_bytes(compressed.packed()) <= 1.05 * payload(compressed)


@pytest.mark.parametrize("recipe", ["4 bits", "90 % zeros", "90 % zeros, 4 bits", "half zeros, 1 bit"])
def test_no_dense_copy_stays(recipe: str) -> None:
    """Numpy's allocations are traced, torch's weights are counted: nothing else is left of what building needed."""
    compressed = compress(wide(), Recipe(tuple(Step(method) for method in RECIPES[recipe])))
    compressed.packed()(torch.zeros(2, 1024))  # compiles
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        module = compressed.packed()
        module(torch.zeros(2, 1024))
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert not list(module.parameters())
    assert held <= 1.1 * runtime.nbytes(module) + 50_000
    assert held < 0.5 * 4 * sum(layer.weight.size for layer in compressed.model.layers)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), padding_mode="reflect"),
        nn.Conv2d(4, 6, 4, padding="same"),
        nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular"),
        nn.Conv2d(4, 8, 3, groups=2, bias=False),
        nn.Conv2d(4, 4, 3, groups=4, padding=1),
        nn.Conv2d(4, 40, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("recipe", ["4 bits", "k-means 5", "half zeros", "half zeros, 8 bits", "spatial rank, 2 bits"])
def test_every_geometry_of_a_convolution(layer: nn.Conv2d, recipe: str) -> None:
    model = Model.from_module(layer, torch.zeros(1, 4, 12, 13))
    compressed = compress(model, Recipe(tuple(Step(method) for method in RECIPES[recipe])))
    x = torch.randn(3, 4, 12, 13)
    packed = compressed.packed()
    torch.testing.assert_close(packed(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(packed(x[0]), compressed.to_torch()(x[0]), rtol=1e-4, atol=1e-5)


def test_tied_weights_are_held_once_and_shared_modules_replaced_everywhere() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(40, 40), nn.Linear(40, 40)
            self.b.weight = self.a.weight
            self.c = self.d = nn.Linear(40, 40)
            self.output = nn.Linear(40, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.output(self.d(self.c(self.b(self.a(x)))))

    torch.manual_seed(3)
    compressed = compress(Model.from_module(Tied(), torch.zeros(1, 40)), Recipe.sliders(bits=4))
    module: Any = compressed.packed()
    assert module.a.kernel is module.b.kernel and module.a is not module.b
    assert module.c is module.d
    x = torch.randn(2, 5, 40)
    torch.testing.assert_close(module(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)


def test_scale_groups_that_tiles_cannot_follow_still_multiply() -> None:
    """A file may have groups of any size; the kernels for all weights want a multiple of 32."""
    rng = np.random.default_rng(0)
    grouping = Grouping("group", 20)
    levels = Affine(3, grouping, rng.random(5 * 4, np.float32), np.full(5 * 4, 3, np.float32), True)
    part = Part.on_levels(levels, rng.integers(0, 8, (5, 70), np.uint8), np.zeros((5, 70), bool))
    (kernel,) = named("affine", Form.whole(part)).kernels((None,))
    x = rng.standard_normal((4, 70), np.float32)
    assert kernel is not None
    np.testing.assert_allclose(kernel.multiply(x), x @ part.values.T, rtol=1e-4, atol=1e-5)


def test_plain_values_are_left_to_torch() -> None:
    form = Form.of(np.ones((3, 4), np.float32))
    assert named("dense", form).kernels((None,)) == (None,)
    image = Form.of(np.ones((3, 4, 1, 1), np.float32))
    assert named("dense", image).kernels((Convolution(),)) == (None,)


def test_more_threads_change_nothing_and_fewer_than_one_are_refused() -> None:
    compressed = compress(wide(), Recipe.sliders(bits=4))
    x = torch.randn(300, 1024)
    torch.testing.assert_close(compressed.packed(2)(x), compressed.packed(1)(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="1 thread or more, not 0"):
        compressed.packed(0)


def test_other_types_are_refused_with_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"takes float32 on the processor, not torch\.float64"):
        compress(wide(), Recipe.sliders(bits=4)).packed()(torch.zeros(1, 1024, dtype=torch.float64))
