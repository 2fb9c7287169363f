"""Weights that are odd, through every method that gives levels: right, or a sentence that names the layer."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import WorkbenchError
from workbench.method import METHODS, Layerwise, Trained
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

LEVELS = [name for name in METHODS if name.startswith("quantize.") and not issubclass(METHODS[name], Trained)]
RNG = np.random.default_rng(0)


def odd(weight: np.ndarray, half: bool = False) -> Model:
    """The weight, of 9 inputs, in the first of two layers."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(9, len(weight)), nn.ReLU(), nn.Linear(len(weight), 3))
    module[0].weight.data = torch.from_numpy(weight.astype(np.float32))
    if half:
        module = module.half()
    images = RNG.random((20, 9), np.float32)
    both = images, np.arange(20) % 3
    data = Dataset.from_arrays("noise", **dict.fromkeys(("train", "validation", "calibration", "test"), both))
    return Model.from_module(module.eval(), torch.zeros(1, 9, dtype=torch.half if half else torch.float), data)


KINDS = {
    "all zero": np.zeros((5, 9)), "zero channels": np.where(np.arange(5)[:, None] % 2, RNG.normal(size=(5, 9)), 0),
    "one value": np.full((5, 9), -0.3), "two values": np.where(RNG.random((5, 9)) > 0.5, 0.5, -0.25),
    "tiny": RNG.normal(size=(5, 9)) * 1e-38, "huge": RNG.normal(size=(5, 9)) * 1e14,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LEVELS)
def test_odd_weights_become_finite_ones_and_their_file_gives_them_again(name, kind, tmp_path):
    model = odd(KINDS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compressed = compress(model, Recipe((Step(METHODS[name](), ("0",)),)))
    weight, found = model.layer("0").weight, compressed.forms["0"].compose()
    assert np.isfinite(found).all()
    if not name.startswith(("quantize.product", "quantize.residual")):
        assert not found[weight == 0].any()
    if kind in ("one value", "two values") and ("means" in name or name.endswith(("weighted", "constrained"))):
        np.testing.assert_array_equal(found, weight)  # fewer values than the table has
    path = compressed.save(tmp_path / "net.cwb")
    assert path.stat().st_size == compressed.size.value
    assert workbench.read(path, model.module, model.data).forms["0"].compose().tobytes() == found.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_by_layer(value):
    weight = RNG.normal(size=(5, 9))
    weight[2, 3] = value
    with pytest.raises(WorkbenchError, match="Layer '0'|'0.weight'|'0'"):
        odd(weight)


@pytest.mark.parametrize("name", [name for name in LEVELS if issubclass(METHODS[name], Layerwise)])
def test_halves_become_what_floats_of_their_values_become(name):
    weight = RNG.normal(size=(5, 9)).astype(np.float16)
    step = Step(METHODS[name](), ("0",))
    half, whole = (compress(odd(weight, half), Recipe((step,))).forms["0"].compose() for half in (True, False))
    assert half.tobytes() == whole.tobytes()
