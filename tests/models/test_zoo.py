"""The zoo: what is listed can be built, and the committed weights are as good as they are said to be."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.data import datasets
from workbench.errors import ModelError
from workbench.models import zoo
from workbench.models.exits import passing
from workbench.models.normalize import Normalize
from workbench.train.loop import Settings, accuracy
from workbench.train.zoo import SETTINGS

FLOORS = {
    "lenet-300-100/mnist": 0.983,
    "lenet-5/mnist": 0.991,
    "lenet-300-100/fashion-mnist": 0.895,
    "lenet-5/fashion-mnist": 0.910,
    "resnet-8/fashion-mnist": 0.925,
    "squeezenet/fashion-mnist": 0.920,
    "mobilenet-v2/fashion-mnist": 0.915,
    "branchy-lenet/mnist": 0.985,
    "locator/located-mnist": 0.99,
}
PARAMETERS = {
    "lenet-300-100": 266_610,
    "lenet-5": 431_080,
    "branchy-lenet": 435_400,
    "resnet-8": 77_658,
    "mobilenet-v2": 99_658,
    "squeezenet": 121_002,
}
MACS = {"lenet-300-100": 266_200, "lenet-5": 2_293_000, "branchy-lenet": 2_475_500}


def test_names():
    assert set(zoo.names()) == set(FLOORS)
    assert set(PARAMETERS) < set(zoo.architectures())
    assert set(zoo.listed()) - set(zoo.names()) == {"vgg-16", "mobilenet", "perceptron-20"}  # blank
    for name in zoo.names():
        entry = zoo.entry(name)
        assert name == entry.name == f"{entry.architecture}/{entry.data}"
        assert entry.data in datasets.names()
        assert entry.paper
        assert entry.summary


@pytest.mark.parametrize("name", FLOORS)
def test_accuracy_on_the_test_images(name):
    """The committed weights reach their floor, and exactly the accuracy that their file and their log state."""
    entry = zoo.entry(name)
    data = datasets.load(entry.data)
    reached = accuracy(zoo.module(name), data.split("test"), task=data.task)
    assert reached >= FLOORS[name]
    with safe_open(entry.weights, "pt") as file:
        metadata = file.metadata()
    log = json.loads(entry.log.read_text())
    # Another processor may round a near tie the other way: one image of 9,990 is 1e-4.
    assert float(metadata["test_accuracy"]) == log["test_accuracy"] == pytest.approx(reached, abs=3e-4)
    assert float(metadata["validation_accuracy"]) == log["validation_accuracy"]
    assert int(metadata["seed"]) == log["seed"]


@pytest.mark.parametrize("name", FLOORS)
def test_the_log_tells_how_the_weights_were_made(name):
    log = json.loads(zoo.entry(name).log.read_text())
    data = datasets.load(zoo.entry(name).data)
    assert log["data"] == data.title
    assert log["digests"]["test"] == data.split("test").digest
    assert log["digests"]["validation"] == data.split("validation").digest
    assert Settings(**log["settings"]) == SETTINGS[name]  # what came later is as it was without a setting
    assert len(log["epochs"]) == log["settings"]["epochs"]
    assert log["validation_accuracy"] == max(epoch["accuracy"] for epoch in log["epochs"])
    assert "/" not in json.dumps({key: value for key, value in log.items() if key != "model"})  # no paths


@pytest.mark.parametrize("name", FLOORS)
def test_weights_are_finite_floats_and_used(name):
    tensors = load_file(zoo.entry(name).weights)
    for key, tensor in tensors.items():
        if key.endswith("num_batches_tracked"):
            continue
        assert tensor.dtype == torch.float32
        assert torch.isfinite(tensor).all()
    network = zoo.module(name)
    assert not network.training
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[key])


@pytest.mark.parametrize("architecture", zoo.architectures())
def test_counts_are_those_that_its_file_states(architecture):
    about, network = zoo.facts(architecture), zoo.blank(architecture)
    assert about["title"] and about["paper"] and about["summary"]
    assert sum(parameter.numel() for parameter in network.parameters()) == about["parameter_count"]
    with FlopCounterMode(display=False) as counter, passing(network):
        network(torch.zeros(1, *about["input_shape"], device="meta"))
    assert counter.get_total_flops() // 2 == about["mac_count"]


@pytest.mark.parametrize("architecture", PARAMETERS)
def test_architecture(architecture):
    network = zoo.build(architecture)
    assert not network.training
    assert isinstance(next(network.children()), Normalize)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[architecture]
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 1, 28, 28))
    macs = counter.get_total_flops() // 2
    assert macs == MACS.get(architecture, macs)
    assert macs <= 13e6  # small enough to be measured in a blink
    with passing(network):  # side exits are the only control flow that depends on the data
        torch.fx.symbolic_trace(network)


def test_normalisation_is_that_of_the_training_images():
    """The constants of the literature, up to the images that are held out."""
    mnist, fashion = zoo.module("lenet-5/mnist"), zoo.module("lenet-5/fashion-mnist")
    assert float(mnist.normalize.mean) == pytest.approx(0.1307, abs=1e-3)
    assert float(mnist.normalize.std) == pytest.approx(0.3081, abs=1e-3)
    assert float(fashion.normalize.mean) == pytest.approx(0.2860, abs=1e-3)
    assert float(fashion.normalize.std) == pytest.approx(0.3530, abs=1e-3)
    assert torch.equal(Normalize(0.5, 2.0)(torch.tensor([0.5, 2.5])), torch.tensor([0.0, 1.0]))


def test_build_is_seeded_and_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    one, same, other = zoo.build("lenet-5", 1), zoo.build("lenet-5", 1), zoo.build("lenet-5", 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.fc1.weight, same.fc1.weight)
    assert not torch.equal(one.fc1.weight, other.fc1.weight)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ModelError, match=r"'vgg'.*lenet-300-100/mnist, lenet-5/mnist"):
        zoo.entry("vgg")
    with pytest.raises(ModelError, match="'vgg'"):
        zoo.module("vgg")
    with pytest.raises(ModelError, match=r"'vgg'.*lenet-300-100, lenet-5"):
        zoo.build("vgg")


def test_missing_damaged_and_foreign_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match=r"lenet-5/mnist are missing.*lenet-5-mnist\.safetensors"):
        zoo.module("lenet-5/mnist")
    file = tmp_path / "lenet-5-mnist.safetensors"
    file.write_bytes(b"not a safetensors file")
    with pytest.raises(ModelError, match="lenet-5/mnist cannot be read"):
        zoo.module("lenet-5/mnist")
    save_file(nn.Linear(2, 2).state_dict(), file)
    with pytest.raises(ModelError, match="lenet-5/mnist cannot be read"):
        zoo.module("lenet-5/mnist")


def test_listing_imports_no_torch():
    program = (
        "import sys; from workbench.models import zoo; [zoo.entry(name) for name in zoo.listed()];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
