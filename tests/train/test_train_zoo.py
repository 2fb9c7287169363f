"""The script that made the shipped weights: from the full set's files to weights, metadata and log."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from workbench.data import datasets, full, idx
from workbench.models import zoo
from workbench.train.loop import Settings
from workbench.train.zoo import SETTINGS, main


@pytest.fixture
def small_full_set(monkeypatch, tmp_path):
    """400 embedded training digits in the place of the 60,000, and an empty folder for the weights."""
    train = datasets.load("mnist").split("train")
    (tmp_path / "mnist").mkdir()
    idx.write(tmp_path / "mnist" / full.IMAGES, train.images[:400, 0])
    idx.write(tmp_path / "mnist" / full.LABELS, train.labels[:400].astype(np.uint8))
    monkeypatch.setenv(full.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setitem(SETTINGS, "lenet-300-100/mnist", Settings(epochs=2, batch=40, learning_rate=0.05))


def test_every_network_has_settings():
    assert set(SETTINGS) == set(zoo.names())


def test_weights_log_and_seed(small_full_set, tmp_path):
    run = CliRunner().invoke(main, ["lenet-300-100/mnist", "--seed", "7"])
    assert run.exit_code == 0, run.output
    assert run.output.count("validation") == 2
    entry = zoo.entry("lenet-300-100/mnist")
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "lenet-300-100-mnist.json",
        "lenet-300-100-mnist.safetensors",
    ]
    log = json.loads(entry.log.read_text())
    assert log["seed"] == 7
    assert log["images"] == {"train": 400, "validation": 5_000, "test": 10_000}
    assert log["test_accuracy"] > 0.5
    assert f"test {log['test_accuracy']:.2%}" in run.output
    assert str(tmp_path) not in entry.log.read_text()
    with safe_open(entry.weights, "pt") as file:
        assert float(file.metadata()["validation_accuracy"]) == log["validation_accuracy"]
    pixels = datasets.load("mnist").split("train").images[:400].astype(np.float64) / 255
    network = zoo.module("lenet-300-100/mnist")
    assert float(network.normalize.mean) == pytest.approx(pixels.mean(), rel=1e-4)
    assert float(network.normalize.std) == pytest.approx(pixels.std(), rel=1e-4)
    assert not torch.equal(network.fc1.weight, zoo.build("lenet-300-100", seed=7).fc1.weight)


def test_without_the_full_set(monkeypatch, tmp_path):
    monkeypatch.setenv(full.FOLDER_VARIABLE, str(tmp_path))
    run = CliRunner().invoke(main, ["lenet-5/mnist"])
    assert run.exit_code == 1
    assert "no such file" in run.output
