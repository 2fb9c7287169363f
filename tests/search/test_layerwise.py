"""One layer alone and two together, against the accuracies they are made of."""

import dataclasses

import pytest

import workbench
from workbench.errors import DataError
from workbench.search.layerwise import beyond_the_sum, each_layer, two_layers
from workbench.search.sweep import sweep

IMAGES = 300


@pytest.fixture(scope="module")
def model() -> workbench.Model:
    return workbench.load("lenet-300-100/mnist")


def test_a_layer_alone_leaves_the_others_as_they_are(model):
    cases = each_layer(model, "bits", (2,))
    assert [case.choices for case in cases] == [{"layer": name, "bits": 2} for name in ("fc1", "fc2", "fc3")]
    for case in cases:
        forms = workbench.compress(model, case.recipe).forms
        changed = [layer.name for layer in model.layers if forms[layer.name] is not layer.form]
        assert changed == [case.choices["layer"]]


def test_what_two_layers_lose_beyond_the_sum(model):
    found = sweep(model, two_layers("fc1", "fc2", "sparsity", (0.9, 0.95)), images=IMAGES, split="validation")
    beyond = beyond_the_sum(found)
    assert list(beyond) == [0.9, 0.95] and list(beyond[0.9]) == [0.9, 0.95]

    def lost(first, second):
        recipe = workbench.Recipe.sliders(overrides={"fc1": {"sparsity": first}, "fc2": {"sparsity": second}})
        judged = model.judged_by("validation")
        report = workbench.assess(workbench.compress(judged, recipe), images=IMAGES)
        return report.original.accuracy.value - report.compressed.accuracy.value

    expected = lost(0.95, 0.9) - lost(0.95, 0.0) - lost(0.0, 0.9)
    assert beyond[0.95][0.9] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(DataError, match="complete sweep"):
        beyond_the_sum(dataclasses.replace(found, complete=False))
