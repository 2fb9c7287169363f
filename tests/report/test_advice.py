"""Guidelines are given where figures speak for them, with these figures."""

from dataclasses import replace

import pytest

import workbench
from tests.zoo import loaded
from workbench.report.advice import advice
from workbench.report.figures import Accuracy, Latency


def assessed(name: str, **sliders):
    compressed = workbench.compress(loaded(name), workbench.Recipe.sliders(**sliders))
    return workbench.assess(compressed, images=200 if loaded(name).data else None)


@pytest.fixture(scope="module")
def sparse():
    return assessed("lenet-300-100/mnist", sparsity=0.91)


def timed(report, dense: float, packed: float, spread: float = 0.05):
    was, now = (Latency(one, low=one * (1 - spread), high=one * (1 + spread), threads=2) for one in (dense, packed))
    return replace(
        report, original=replace(report.original, latency=was), compressed=replace(report.compressed, latency=now)
    )


def scored(report, before: float, after: float, exact: bool = True):
    was, now = (
        Accuracy(value, value - 0.003, value + 0.003, 10_000, badge, exact)
        for value, badge in ((before, "measured"), (after, "simulated"))
    )
    return replace(
        report, original=replace(report.original, accuracy=was), compressed=replace(report.compressed, accuracy=now)
    )


def numbers(report) -> list[str]:
    return [one.number for one in advice(report)]


def test_zeros_that_bring_no_speed_call_for_channels_and_for_fewer_bits(sparse):
    slow = advice(timed(sparse, 26e-6, 30e-6))
    assert [one.number for one in slow[:2]] == ["GU-08", "GU-13"]
    assert slow[0].sentence.startswith("91% zeros and no speed-up: remove whole channels instead")
    assert slow[0].evidence == "Measured here on 2 threads: dense 26 µs, packed 30 µs for one input."


def test_without_a_measurement_nothing_is_said_of_speed(sparse):
    assert not {"GU-08", "GU-13"} & set(numbers(sparse))


def test_zeros_that_bring_speed_are_left_alone(sparse):
    assert not {"GU-08", "GU-13"} & set(numbers(timed(sparse, 260e-6, 30e-6)))
    assert "GU-08" in numbers(timed(sparse, 31e-6, 30e-6))  # the spreads overlap


def test_few_zeros_call_for_nothing():
    assert "GU-08" not in numbers(timed(assessed("lenet-300-100/mnist", sparsity=0.2), 26e-6, 30e-6))


def test_fewer_bits_are_advised_where_weights_have_many(sparse):
    coded = assessed("lenet-300-100/mnist", sparsity=0.91, bits=4)
    assert "GU-08" in numbers(timed(coded, 26e-6, 30e-6)) and "GU-13" not in numbers(timed(coded, 26e-6, 30e-6))


def test_a_fall_after_pruning_calls_for_training(sparse):
    assert "GU-09" in numbers(scored(sparse, 0.98, 0.91))
    assert "Accuracy 98.00% before, 91.00% now, on 10,000 test images." in [
        one.evidence for one in advice(scored(sparse, 0.98, 0.91))
    ]
    assert "GU-09" not in numbers(scored(sparse, 0.98, 0.977))
    assert "GU-09" not in numbers(scored(sparse, 0.98, 0.91, exact=False))
    assert "GU-09" not in numbers(replace(scored(sparse, 0.98, 0.91), kind="faithful"))


def test_one_width_for_all_layers_calls_for_several_where_answers_fell():
    coded = assessed("lenet-300-100/mnist", bits=2)
    assert "GU-07" in numbers(scored(coded, 0.98, 0.91)) and "GU-07" not in numbers(scored(coded, 0.98, 0.98))


def test_lenet_5_holds_its_weights_in_one_place_and_its_operations_in_another():
    (found,) = (one for one in advice(assessed("lenet-5/mnist")) if one.number == "GU-25")
    assert "94.1% of the weights" in found.evidence and "82.3% of the MACs" in found.evidence  # as published
    assert "GU-25" not in numbers(assessed("lenet-300-100/mnist"))


def test_depthwise_layers_are_limited_by_memory():
    assert "GU-17" in numbers(assessed("mobilenet"))
    assert "GU-17" not in numbers(assessed("vgg-16"))
    assert "GU-17" not in numbers(assessed("resnet-8/fashion-mnist"))  # whose first layer sees one channel
