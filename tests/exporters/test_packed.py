import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporters.forging import (
    BEFORE,
    CODED,
    OTHER_KINDS,
    PATTERNS,
    Net,
    every_encoding,
    example,
    names,
    sealed,
    taken_apart,
    with_sizes,
    written,
)
from tests.zoo import loaded
from workbench.compression.compressed import CompressedModel, compress, read
from workbench.data.datasets import Dataset
from workbench.errors import FormatError, WorkbenchError
from workbench.exporters import binary_json
from workbench.exporters.packed import LONGEST_HEADER, announced
from workbench.method import METHODS
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.weights.choice import ENCODINGS
from workbench.weights.form import Form

ZOO = "lenet-5/mnist"


def _same_bits(one: Form, other: Form) -> bool:
    return one.passages == other.passages and all(
        (a.values.view(np.uint32) == b.values.view(np.uint32)).all() and a.bits == b.bits
        for a, b in zip(one.parts, other.parts, strict=True)
    )


def _assert_same(now: CompressedModel, was: CompressedModel) -> None:
    assert list(now.encodings) == list(was.encodings)
    for name, encoding in was.encodings.items():
        assert now.encodings[name].name == encoding.name
        assert _same_bits(now.forms[name], encoding.decode())
    assert list(now.model.rest) == list(was.model.rest)
    for name, tensor in was.model.rest.items():
        assert now.model.rest[name].tobytes() == tensor.tobytes()
    assert now.recipe == was.recipe
    assert now.model.name == was.model.name
    assert now.size == was.size


def _random_recipe(rng: random.Random, layers: list[str]) -> Recipe:
    sliders = {
        "sparsity": rng.choice([0.0, 0.3, 0.8, 0.97, 1.0]),
        "bits": rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 32]),
        "rank": rng.choice([1.0, 1.0, 0.1, 0.5]),
    }
    methods: dict[Any, Any] = {"bits": rng.choice(["quantize.uniform", "quantize.kmeans"])}
    if methods["bits"] == "quantize.uniform":
        settings = {"per": rng.choice(["tensor", "channel", "group"]), "symmetric": rng.choice(["yes", "no"])}
        methods["bits"] = METHODS["quantize.uniform"](**settings)
    own = {rng.choice(layers): {"sparsity": 0.5}}
    return Recipe.sliders(**sliders, methods=methods, overrides=own)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(8))
def test_the_file_has_the_size_that_was_shown_and_gives_the_network_back(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    model = loaded(["lenet-300-100/mnist", ZOO][seed % 2])
    compressed = compress(model, _random_recipe(rng, [layer.name for layer in model.layers]))
    path = compressed.save(tmp_path / "net.cwb")
    size = compressed.size
    assert size.value == path.stat().st_size
    assert size.value == sum(size.by_layer.values()) == sum(size.by_part.values())
    back = read(path)
    _assert_same(back, compressed)
    assert back.model.data is model.data
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(back.to_torch()(images), compressed.to_torch()(images))
    assert back.save(tmp_path / "again.cwb").read_bytes() == path.read_bytes()


def test_the_size_of_a_chain_follows_the_encoding_that_its_factors_are_given(tmp_path: Path) -> None:
    """The same factors in other encodings, one after another: nothing known of the first is told of the next."""
    model, steps = loaded("lenet-300-100/mnist"), (Step(METHODS["factorize.svd"](rank=0.2)),)
    for encodings in ({}, {"fc1": "bitmap"}, {"fc1": "relative-index+huffman"}):
        compressed = compress(model, Recipe(steps, encodings))
        assert compressed.size.value == compressed.save(tmp_path / "net.cwb").stat().st_size


def test_a_users_network_with_every_encoding(tmp_path: Path) -> None:
    compressed = every_encoding()
    kinds = {encoding.name for encoding in compressed.encodings.values()}
    assert kinds == {name for name in ENCODINGS if "+" not in name} | set(CODED)
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    mine = Net(seed=5)
    before = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
    back = read(path, mine)
    _assert_same(back, compressed)
    assert all(torch.equal(before[name], tensor) for name, tensor in mine.state_dict().items())
    assert back.model.module.again.weight is back.model.module.c.weight
    assert written(back, tmp_path) == path.read_bytes()


def test_sizes_are_counted_under_the_layer_and_part_that_they_belong_to() -> None:
    size = every_encoding().size
    assert set(size.by_layer) == {
        *("conv", "norm", "wide", "a", "b", "c", "again", "d", "e", "header"),
        *(f"more.{place}" for place in range(len(OTHER_KINDS) + len(PATTERNS) + len(CODED))),
    }
    assert size.by_layer["norm"] == size.by_part["batch_norm"] == 4 * 6 * 4
    assert size.by_layer["again"] == 20 * 4  # its weight is stored once, under c
    assert size.by_layer["conv"] == 6 * 9 * 4 + 6 * 4
    assert size.by_layer["b"] == 20 * 20 * 3 // 8 + 20 * (4 + 1) + 20 * 4
    assert size.by_layer["c"] == 20 * 20 * 4 // 8 + 12 * 4  # 11 centroids and a zero
    assert size.by_part["biases"] == 4 * (6 + 20 + 20 + 20 + 30 + 4)
    assert size.by_part["other"] == 0


def test_own_data_is_recognised_by_its_test_images(tmp_path: Path) -> None:
    def dataset(level: int) -> Dataset:
        return Dataset.from_arrays("mine", test=(np.full((4, 1, 8, 8), level, np.uint8), np.arange(4)))

    model = Model.from_module(Net(), example(), data=dataset(1), name="mine")
    path = compress(model, Recipe()).save(tmp_path / "net.cwb")
    assert read(path, Net()).model.data is None
    assert read(path, Net(), dataset(1)).model.data is not None
    with pytest.raises(FormatError, match="other test images than those of data set 'mine'"):
        read(path, Net(), dataset(2))


def test_any_tensor_beside_the_weights_comes_back(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)
            self.gain = nn.Parameter(torch.ones(()))
            self.register_buffer("mask", torch.tensor([True, False]))
            self.register_buffer("order", torch.tensor([1, 0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.gain * self.layer(x)[:, self.order] * self.mask

    module = Odd()
    module.gain.data.fill_(2.5)
    compressed = compress(Model.from_module(module, torch.zeros(1, 3)), Recipe())
    back = read(compressed.save(tmp_path / "net.cwb"), Odd())
    _assert_same(back, compressed)
    assert back.size.by_layer["gain"] == 4
    assert torch.equal(back.to_torch()(torch.ones(2, 3)), module(torch.ones(2, 3)))


# What is not such a file, or not this one


def _refused(content: bytes, folder: Path, message: str, module: nn.Module | None = None) -> None:
    path = folder / "forged.cwb"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read(path, module or Net())
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith(".")
    assert "\n" not in text


def test_files_that_are_no_packed_network(tmp_path: Path) -> None:
    content = written(every_encoding(), tmp_path)
    damaged = "damaged or cut short"
    _refused(b"", tmp_path, "not a packed network")
    _refused(b"PK\x03\x04" + bytes(100), tmp_path, "not a packed network")
    _refused(bytes(byte & 0x7F for byte in content), tmp_path, "a transfer as text has changed it")
    _refused(content.replace(b"\n", b"\r\n"), tmp_path, damaged)
    _refused(content[:4], tmp_path, "cut short")
    _refused(content[:13], tmp_path, "ends inside a value")
    _refused(content[:20], tmp_path, damaged)
    _refused(content[:-1], tmp_path, damaged)
    _refused(content + b"\0", tmp_path, damaged)
    _refused(content[:-1] + bytes([content[-1] ^ 1]), tmp_path, damaged)
    header, arrays = taken_apart(content)
    assert sealed(header, arrays) == content
    _refused(sealed(header, arrays, version=4), tmp_path, "has version 4, and this workbench reads versions 1 to 3")
    _refused(sealed(header, [*arrays, b"\0"]), tmp_path, "its arrays do not fill it exactly")
    _refused(sealed(header, arrays[:-1]), tmp_path, "its arrays do not fill it exactly")
    long = content[:BEFORE] + announced(LONGEST_HEADER + 1) + content[BEFORE:]
    _refused(long, tmp_path, "its header is longer than 4,194,304 bytes")


def test_a_file_by_another_dictionary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(every_encoding(), tmp_path)
    monkeypatch.setattr(binary_json, "DIGEST", "0" * 64)
    _refused(content, tmp_path, "damaged or cut short")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.cwb cannot be read: No such file or directory\."):
        read(tmp_path / "none.cwb")
    with pytest.raises(FormatError, match="it is not a file"):
        read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FormatError, match="it is not a file"):
            read(tmp_path / "pipe")


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.mean(dim=1, keepdim=True))

    model = Model.from_module(Mean(), torch.zeros(1, 2**24 + 1), name="wide")
    with pytest.raises(FormatError, match=r"wide does not fit into a packed file: an input of shape \(16777217,\)"):
        compress(model, Recipe()).save(tmp_path / "net.cwb")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"net\.cwb cannot be written"):
        every_encoding().save(tmp_path / "nowhere" / "net.cwb")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "ends inside a value"),
        (b"\xc8\0", "not written in the form"),
        (b"\xc8", "must be a JSON object"),
        (b"\xd0", "ends inside a value"),
        (b"\xc7", "no known kind"),
    ],
    ids=["empty", "longer", "list", "cut short", "unknown"],
)
def test_headers_that_are_not_written_as_headers_are(raw: bytes, message: str, tmp_path: Path) -> None:
    _refused(sealed(raw, []), tmp_path, message)


HEADERS: list[tuple[list[Any], Any, str]] = [
    (["network"], [], "must be a JSON object"),
    (["network", "model"], None, "'model' must be 1 to 80 characters"),
    (["network", "architecture"], 5, "'architecture' must be text"),
    (["network", "input_shape"], [2**30], "does not have 1 to 16,777,216 numbers"),
    (["network", "input_shape"], [0], "does not have 1 to"),
    (["network", "input_shape"], [2, 8, 8], "it does not fit the network"),
    (["network", "data"], {"name": "mnist"}, "'test' is missing"),
    (["network", "data"], {"name": "mnist", "test": "0" * 64}, "other test images than those of data set 'mnist'"),
    (["network", "layers"], {}, "'layers' must be a list"),
    (["network", "layers"], [], "layers of a network of 0"),
    (["network", "layers", 0], ["conv"], "a layer must be"),
    (["network", "layers", 0, 0], "other", "it holds a layer 'other', which the network does not have"),
    (
        ["network", "layers", 0, 0],
        "wide",
        r"layer 'wide': its weight has shape \(6, 1, 3, 3\), the network's \(8, 6, 3, 3\)",
    ),
    (["network", "layers", 0, 1], [6, 1, 9], r"layer 'conv': its weight has shape \(6, 1, 9\), the network's"),
    (["network", "rest", 0], ["conv.bias"], "a tensor must be"),
    (["network", "rest", 0, 0], "conv.other", "holds a tensor 'conv.other', which the network does not have"),
    (
        ["network", "rest", 0, 2],
        [3, 2],
        r"tensor 'conv.bias' is float32 \(3, 2\) where the network's is float32 \(6,\)",
    ),
    (["network", "rest", 0, 1], "int32", "tensor 'conv.bias' is int32"),
    (["network", "rest", 0, 1], "object", "'dtype' must be one of"),
    (["recipe"], {}, "its recipe is not valid: The recipe lacks the field"),
    (["recipe", "encodings"], {"other": "dense"}, "no layer 'other'"),
    (["layers"], {}, "'layers' must be a list"),
    (["layers", 0, "encoding"], "huffman", "'encoding' must be one of"),
    (["layers", 0, "fields"], [], "layer 'conv': its fields must be a JSON object"),
    (
        ["layers", 0, "fields"],
        {"shape": [6, 1, 3, 3]},
        "layer 'conv': its fields must be a JSON object without its shape",
    ),
    (["layers", 0, "arrays"], ["values"], "layer 'conv': its arrays must be"),
    (["layers", 0, "arrays", "values"], -1, "layer 'conv': its arrays must be"),
    (["layers", 0, "arrays", "values"], 10**6, "its arrays do not fill it exactly"),
    (["layers", 0, "arrays"], {"codes": 216}, "layer 'conv': array 'values' is missing"),
    (["layers", 2, "fields", "bits"], 3, "layer 'a': array 'codes' has"),
    (["layers", 2, "fields", "entries"], 3, "layer 'a': array 'gaps' has"),
    (["previews"], [""], "'previews' must be a list of texts"),
    (["example"], ["float32"], "'example' must have"),
]


@pytest.mark.parametrize(("where", "value", "message"), HEADERS)
def test_a_forged_header_is_refused_by_name(where: list[Any], value: Any, message: str, tmp_path: Path) -> None:
    header, arrays = taken_apart(written(every_encoding(), tmp_path))
    target: Any = header
    for step in where[:-1]:
        target = target[step]
    target[where[-1]] = value
    _refused(sealed(header, arrays), tmp_path, message)


def test_layers_and_tensors_stand_there_once_and_in_order(tmp_path: Path) -> None:
    header, arrays = taken_apart(written(every_encoding(), tmp_path))
    layers, outlined, rest = header["layers"], header["network"]["layers"], header["network"]["rest"]
    weights = len(arrays) - len(rest)
    network: Any
    for layers_now, network, held, message in (
        (layers[1:], {"layers": outlined[1:]}, arrays[1:], "it lacks the layer 'conv' of the network"),
        (layers, {"rest": rest[:-1]}, arrays[:-1], f"it lacks the tensor '{rest[-1][0]}' of the network"),
        (
            [layers[0], *layers],
            {"layers": [outlined[0], *outlined]},
            [arrays[0], *arrays],
            "its layers are not those of the network",
        ),
        (
            layers,
            {"rest": [*rest, rest[0]]},
            [*arrays, arrays[weights]],
            "its tensors are not those of the network",
        ),
    ):
        forged = {**header, "layers": layers_now, "network": {**header["network"], **network}}
        _refused(sealed(forged, held), tmp_path, message)


def test_more_bytes_than_a_layer_can_need_are_not_read(tmp_path: Path) -> None:
    header, arrays = taken_apart(written(every_encoding(), tmp_path))
    arrays[0] = bytes(10**5)
    _refused(sealed(with_sizes(header, arrays), arrays), tmp_path, "layer 'conv': its arrays are larger than")


def test_weights_whose_product_overflows(tmp_path: Path) -> None:
    header, arrays = taken_apart(written(every_encoding(), tmp_path))
    entries = zip(names(header), header["layers"], strict=True)
    owners = [(layer, array) for layer, entry in entries for array in entry["arrays"]]
    for name, value in (("0.values", 3e38), ("1.scales", 10)):
        index = owners.index(("wide", name))
        arrays[index] = np.full(len(arrays[index]) // 4, value, "<f4").tobytes()
    _refused(sealed(with_sizes(header, arrays), arrays), tmp_path, "layer 'wide': its weights are not all finite")


def test_tensors_that_are_not_finite_or_not_true_or_false(tmp_path: Path) -> None:
    header, arrays = taken_apart(written(every_encoding(), tmp_path))
    arrays[-1] = np.full(len(arrays[-1]) // 4, np.nan, "<f4").tobytes()
    message = f"tensor '{header['network']['rest'][-1][0]}' holds values that are NaN or infinite"
    _refused(sealed(with_sizes(header, arrays), arrays), tmp_path, message)


def test_a_network_that_is_not_the_files(tmp_path: Path) -> None:
    path = every_encoding().save(tmp_path / "net.cwb")
    with pytest.raises(FormatError, match=r"holds a network of your own, 'every encoding', whose module it needs"):
        read(path)
    with pytest.raises(FormatError, match="which the network does not have"):
        read(path, nn.Sequential(nn.Conv2d(1, 6, 3)))
    with pytest.raises(FormatError, match="which the network does not have"):
        read(path, nn.Linear(3, 3))


def test_an_architecture_that_is_not_the_zoos(tmp_path: Path) -> None:
    header, arrays = taken_apart(written(compress(loaded(ZOO), Recipe()), tmp_path))
    path = tmp_path / "forged.cwb"
    for field, value, message in (
        ("architecture", "lenet-6", "architecture 'lenet-6' is unknown; known are .*lenet-300-100, lenet-5"),
        ("architecture", "resnet-8", r"layer 'conv1': its weight has shape \(20, 1, 5, 5\), the network's"),
        ("input_shape", [1, 32, 32], r"the input of lenet-5 has shape \(1, 28, 28\)"),
    ):
        path.write_bytes(sealed({**header, "network": {**header["network"], field: value}}, arrays))
        with pytest.raises(FormatError, match=message):
            read(path)


def test_the_recipe_in_the_header_is_the_recipe(tmp_path: Path) -> None:
    uniform = METHODS["quantize.uniform"]
    recipe = Recipe((Step(uniform(bits=3), ("fc1",), {"fc1": {"bits": 5}}),), {"fc2": "bitmap"})
    compressed = compress(loaded(ZOO), recipe)
    back = read(compressed.save(tmp_path / "net.cwb"))
    assert back.recipe == recipe
    assert back.encodings["fc2"].name == "bitmap"
    header, _ = taken_apart((tmp_path / "net.cwb").read_bytes())
    assert header["recipe"] == json.loads(recipe.to_json())
