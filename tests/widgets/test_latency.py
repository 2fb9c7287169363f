"""Latency as the page shows it: both sides on one scale, and no claim that the spread does not bear."""

from dataclasses import replace

import pytest

from widgets.views.latency import latency
from widgets.views.layers import layers
from widgets.views.numbers import NBSP, second_range, seconds
from widgets.views.spoken import spoken
from workbench.report.figures import Latency
from workbench.report.layers import RunsDense
from workbench.report.report import Report


def timed(report: Report, dense: Latency, packed: Latency) -> Report:
    rows = tuple(replace(row, dense_latency=dense, latency=packed, latency_note="why") for row in report.layers)
    return replace(
        report,
        original=replace(report.original, latency=dense),
        compressed=replace(report.compressed, latency=packed),
        layers=rows,
    )


def around(median: float) -> Latency:
    return Latency(median, low=0.9 * median, high=1.2 * median, threads=2)


def test_there_is_none_where_none_was_measured(squeezed):
    assert latency(squeezed) is None
    assert {row["latency"] + row["dense_latency"] + row["latency_note"] for row in layers(squeezed)} == {""}
    assert "latency" not in spoken(squeezed)


def test_both_sides_stand_on_one_scale_with_their_spread(squeezed):
    found = latency(timed(squeezed, around(300e-6), around(100e-6)))
    assert (found["value"], found["change"], found["badge"]) == (f"100{NBSP}µs", "3.00× faster", "measured")
    dense, packed = found["sides"]
    assert dense["share"] == pytest.approx(3 * packed["share"])
    assert packed["low"] == pytest.approx(0.9 * packed["share"])
    assert packed["high"] == pytest.approx(1.2 * packed["share"])
    assert (dense["share"], dense["high"]) == (pytest.approx(1 / 1.1), 1.0)
    assert packed["spread"] == f"middle half 90.0 to 120{NBSP}µs"
    assert found["conditions"] == "Median time of one input at batch size 1 on 2 threads of this machine."


def test_layers_that_run_dense_are_named(squeezed):
    report = timed(squeezed, around(300e-6), around(100e-6))
    first, *others = report.layers
    one = replace(report, layers=(replace(first, runs_dense=RunsDense(2.0, 1, 1.0)), *others))
    assert latency(one)["conditions"].endswith(
        f" 1 of {len(report.layers)} layers runs dense, since its kernel is slower here: {first.name}."
    )
    rows = tuple(replace(first, name=f"fc{place}", runs_dense=RunsDense(2.0, 1, 1.0)) for place in range(5))
    assert latency(replace(report, layers=rows))["conditions"].endswith(
        " 5 of 5 layers run dense, since their kernels are slower here: fc0, fc1, fc2 and others."
    )


def test_slower_says_so_and_what_overlaps_is_no_difference(squeezed):
    assert latency(timed(squeezed, around(1e-3), around(2e-3)))["change"] == "2.00× slower"
    assert latency(timed(squeezed, around(1.1e-3), around(1e-3)))["change"] == "no difference beyond the spread"


def test_without_an_original_there_is_one_side(squeezed):
    report = replace(timed(squeezed, around(1e-3), around(1e-3)), original=None)
    assert [side["label"] for side in latency(report)["sides"]] == ["packed"]
    assert latency(report)["change"] == ""


def test_a_layer_has_its_times_and_the_reason(squeezed):
    row = layers(timed(squeezed, around(12e-6), around(40e-6)))[0]
    assert (row["latency"], row["dense_latency"]) == (f"40.0{NBSP}µs", f"dense 12.0{NBSP}µs")
    assert row["latency_note"] == "why"


def test_seconds_carry_the_unit_that_fits():
    assert [seconds(one) for one in (2.0, 1.5e-3, 27.1e-6, 3e-9)] == [
        f"2.00{NBSP}s", f"1.50{NBSP}ms", f"27.1{NBSP}µs", f"3.00{NBSP}ns"
    ]  # fmt: skip
    assert second_range(0.9e-3, 1.2e-3) == f"0.900 to 1.20{NBSP}ms"
