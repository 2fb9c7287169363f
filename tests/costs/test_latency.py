"""Latency: both sides of every layer, in time, and a reason wherever the kernel brings nothing."""

import time
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress
from workbench.costs.latency import _SMALLEST, _call, _note, measure
from workbench.engine.assessment import assess
from workbench.errors import Stopped
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.prune.n_m import NofM
from workbench.methods.quantize.uniform import Uniform
from workbench.network import verdicts
from workbench.network.model import Model
from workbench.network.packed import PackedConv2d, PackedLinear
from workbench.network.verdicts import Verdict, Verdicts
from workbench.recipe import Recipe, Step
from workbench.report.figures import Latency
from workbench.weights.encoding import Kernel
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine
from workbench.weights.levels.signs import Signs
from workbench.weights.products import PackedMatrix


def model() -> Model:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 64), nn.ReLU(), nn.Linear(64, 10))
    return Model.from_module(layers, torch.zeros(1, 1, 8, 8))


def packed_layer(recipe: Recipe) -> tuple[Form, nn.Module]:
    compressed = compress(model(), recipe)
    return compressed.forms["2"], compressed.packed().get_submodule("2")


def around(median: float) -> Latency:
    return Latency(median, low=0.99 * median, high=1.01 * median, threads=1)


def test_every_layer_is_measured_on_both_sides_within_the_budget() -> None:
    compressed = compress(model(), Recipe.sliders(sparsity=0.9, bits=4))
    measure(compressed, budget=0.01)  # compiles
    start = time.perf_counter()
    found = measure(compressed, budget=0.3)
    assert time.perf_counter() - start < 3  # of which 0.3 s are measuring
    assert list(found.by_layer) == ["0", "2", "4"]
    for one in (found, *found.by_layer.values()):
        for side in (one.dense, one.packed):
            assert side.low is not None and side.high is not None
            assert 0 < side.low <= side.median <= side.high
            assert side.threads == torch.get_num_threads()


def test_the_report_has_it_only_when_asked() -> None:
    compressed = compress(model(), Recipe.sliders(bits=4))
    assert assess(compressed).compressed.latency is None
    report = assess(compressed, latency=True)
    assert report.original is not None and report.original.latency is not None
    assert report.compressed.latency is not None and report.compressed.latency.badge == "measured"
    assert all(row.latency is not None and row.dense_latency is not None for row in report.layers)


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Stopped):
        measure(compress(model(), Recipe.sliders(bits=4)), cancelled=lambda: True)


def test_a_layer_that_gains_or_was_not_compressed_needs_no_reason() -> None:
    form, layer = packed_layer(Recipe.sliders(bits=4))
    assert _note(form, layer, (), 1, around(2e-3), around(1e-3)) == ""
    assert _note(*packed_layer(Recipe()), (), 1, around(1e-3), around(2e-3)) == ""


@pytest.mark.parametrize("kind", _SMALLEST, ids=lambda kind: kind.__name__)
def test_a_call_of_every_kernel_of_a_packed_network_is_timed(kind: type[Kernel]) -> None:
    assert 0 < _call(kind) < 1e-2
    assert {type(kernel) for kernel in kernels_of_every_kind()} == set(_SMALLEST)


@cache
def kernels_of_every_kind() -> tuple[Kernel, ...]:
    """Those of packed networks, one for each way in which weights and inputs are stored and multiplied."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 64, 3), nn.Flatten(), nn.Linear(1600, 640))
    large = Model.from_module(module, torch.zeros(1, 64, 7, 7))
    steps = [
        (Uniform(bits=4),), (Magnitude(sparsity=0.95),), (Uniform(bits=1),), (NofM(),),
    ]  # fmt: skip
    two = Affine(2, Grouping("tensor"), np.ones(1, np.float32), np.ones(1, np.float32), symmetric=False)
    found = []
    for methods in steps:
        compressed = compress(large, Recipe(tuple(Step(method) for method in methods)))
        for entering in (None, Signs(), two):
            forms = {name: form.with_entering(entering) for name, form in compressed.forms.items()}
            packed = compressed.with_forms(forms).packed()
            found += [one.kernel for one in packed if isinstance(one, PackedLinear | PackedConv2d)]
    return tuple(found)


def test_a_kernel_that_is_slower_here_is_not_used_and_the_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    none_kept = Verdicts(None, "a machine")
    monkeypatch.setattr(verdicts, "here", lambda: none_kept)
    monkeypatch.setattr(verdicts, "timed", lambda kernel, dense: Verdict(6e-2, 1e-2))
    compressed = compress(model(), Recipe((Step(NofM()),)))
    row = compressed.forms["2"].parts[0]
    found = measure(compressed, budget=0.01).by_layer["2"]
    assert found.runs_dense is not None and found.runs_dense.times == 6.0
    assert found.runs_dense.macs == row.size
    assert found.runs_dense.intensity == row.size / (4 * (row.size + 64 + 144 + 64))  # with bias, inputs and outputs
    assert found.note == (
        "Runs dense: its kernel for 2:4 takes 6 times as long here. "
        "50% zeros are below this machine's break-even of about 92% for this shape."
    )


def test_each_reason_names_what_is_behind_it() -> None:
    form, layer = packed_layer(Recipe.sliders(bits=4))
    assert isinstance(layer, PackedLinear) and isinstance(layer.kernel, PackedMatrix)
    call = _call(PackedMatrix)
    assert 0 < call < 1e-2
    assert "Too small to gain: the call itself takes" in _note(form, layer, (), 1, around(call / 2), around(2 * call))
    assert "beyond the spread" in _note(form, layer, (), 1, around(1e-2), around(1.01e-2))
    assert "4 bits save memory traffic and no arithmetic" in _note(form, layer, (), 1, around(0.5), around(1.0))
    pruned = packed_layer(Recipe.sliders(sparsity=0.6))
    zeros = 1 - pruned[0].parts[0].nonzeros / pruned[0].parts[0].values.size
    needed = 1 - (1 - zeros) / 2  # half the survivors take half the time
    assert f"{zeros:.0%} zeros are below this machine's break-even of about {needed:.0%}" in _note(
        *pruned, (), 1, around(0.5), around(1.0)
    )
    assert "rank 32 is above this machine's break-even of about 16" in _note(
        *packed_layer(Recipe.sliders(rank=0.5)), (), 1, around(0.5), around(1.0)
    )
    bits = compress(model(), Recipe((Step(Uniform(bits=1)),)))
    signs = {"2": bits.forms["2"].with_entering(Signs())}
    of_signs = signs["2"], bits.with_forms(signs).packed().get_submodule("2")
    assert "laying out the bits of the inputs" in _note(*of_signs, (), 1, around(0.5), around(1.0))
    few = packed_layer(Recipe.sliders(sparsity=0.01))
    assert "zeros are too few for a smaller encoding" in _note(*few, (), 1, around(1e-3), around(1e-3))
