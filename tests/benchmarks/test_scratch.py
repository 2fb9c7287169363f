"""What a user would write today finds the accuracy that the engine finds, to the last image."""

import pytest

import workbench
from benchmarks import scratch


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("layer", [None, "fc2"])
def test_both_sides_count_the_same_right_answers(layer: str | None, tuned: bool) -> None:
    model = workbench.load("lenet-300-100/mnist")
    move = scratch._Move(0.8, 4) if layer is None else scratch._Move(0.9, 3, layer)
    report = workbench.assess(workbench.compress(model, move.recipe))
    assert report.compressed.accuracy is not None
    assert scratch.from_scratch(model, move.sparsity, move.bits, layer, tuned) == report.compressed.accuracy.value


def test_every_network_has_a_last_third() -> None:
    layers = scratch._last_third(workbench.load("mobilenet-v2/fashion-mnist"))
    names = [layer.name for layer in workbench.load("mobilenet-v2/fashion-mnist").layers]
    assert layers == (names[-7], names[-4], names[-1])
