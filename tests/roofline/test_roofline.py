"""The roof of this machine, and layers under it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import workbench
from tests.zoo import loaded
from workbench.kernels.memory.reading import read
from workbench.report.figures import Latency
from workbench.report.layers import RunsDense
from workbench.roofline.machine import Bandwidth, Machine, machine
from workbench.roofline.marks import marks
from workbench.store import Store


@pytest.fixture(scope="module")
def report():
    recipe = workbench.Recipe.sliders(sparsity=0.9, bits=4)
    return workbench.assess(workbench.compress(loaded("lenet-5/mnist"), recipe), images=100, latency=True)


def test_roof_is_the_smaller_of_peak_and_bandwidth_times_intensity():
    slow = Machine("a processor", 1, 100.0, (Bandwidth("first cache", 8, 20.0), Bandwidth("large arrays", 64, 5.0)))
    assert [slow.roof(intensity) for intensity in (0.5, 5.0, 50.0)] == [10.0, 100.0, 100.0]
    assert [slow.ridge(one) for one in slow.bandwidths] == [5.0, 20.0]


def test_reading_reads_everything_each_round():
    values = np.arange(1000, dtype=np.float32)
    read(values, 2, 1)
    assert values[0] == np.arange(1000).sum()  # the sum of the round before stands in the first place


def test_the_best_that_was_seen_is_kept(tmp_path, monkeypatch):
    store = Store(tmp_path)
    first = machine(store)
    assert first.macs_per_second > 0 and first.threads == torch.get_num_threads()
    assert machine(store) == first  # not measured again in this process
    monkeypatch.setattr("workbench.roofline.machine._measured", set())
    slower = replace(first, macs_per_second=first.macs_per_second / 2)
    monkeypatch.setattr("workbench.roofline.machine.measured", lambda threads, cancelled: slower)
    assert machine(store) == first
    (path,) = tmp_path.glob("*.json")
    path.write_text('{"processor": "x"}')
    assert machine(store) == slower  # what is not whole is measured anew


def test_marks_are_operations_over_seconds(report):
    for row, mark in zip(report.layers, marks(report), strict=True):
        assert mark.name == row.name
        assert mark.dense.rate * row.dense_latency.median == pytest.approx(
            report.original.costs["macs"].by_layer[row.name]
        )
        assert mark.packed.rate * row.latency.median == pytest.approx(row.effective_macs)
        assert mark.packed.intensity == row.arithmetic_intensity


def test_a_layer_that_runs_dense_does_every_operation_on_its_float32_weights(report):
    dense = RunsDense(times=2.0, macs=400_000, intensity=0.25)
    rows = tuple(replace(row, runs_dense=dense) for row in report.layers)
    for before, mark in zip(marks(report), marks(replace(report, layers=rows)), strict=True):
        assert (mark.runs_dense, before.runs_dense, mark.dense) == (True, False, before.dense)
        assert mark.packed.seconds == before.packed.seconds
        assert (mark.packed.intensity, mark.packed.rate) == (0.25, pytest.approx(400_000 / mark.packed.seconds))


def test_what_was_not_measured_has_no_mark(report):
    rows = tuple(replace(row, dense_latency=None, latency=None) for row in report.layers)
    assert all(one.dense is one.packed is None for one in marks(replace(report, layers=rows)))
    assert all(one.dense is None for one in marks(replace(report, original=None)))


def test_every_layer_lies_below_the_roof(report):
    found = [mark for one in marks(report) for mark in (one.dense, one.packed)]
    for _ in range(5):  # what was measured while the machine was busy is measured again, and the best is kept
        roof = machine(again=True)
        if all(mark.rate <= 1.2 * roof.roof(mark.intensity) for mark in found):
            return
    pytest.fail(f"{roof} does not cover {found}")


def test_layers_of_embeddings_multiply_nothing():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(11, 16), torch.nn.Flatten(), torch.nn.Linear(96, 11))
    model = workbench.Model.from_module(module.eval(), torch.zeros(1, 6, dtype=torch.int64))
    found = workbench.assess(workbench.compress(model, workbench.Recipe()))
    timed = replace(found, layers=tuple(replace(row, dense_latency=Latency(1e-6)) for row in found.layers))
    assert [one.dense is None for one in marks(timed)] == [True, False]
