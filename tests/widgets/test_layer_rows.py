"""The rows of the layer table."""

import re
from dataclasses import replace

import numpy as np
import pytest

import workbench
from tests.widgets.reports import assessed
from widgets.views.layers import layers, whole
from workbench.methods.quantize.activations import Activations
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step


def test_one_row_a_layer_in_order(squeezed):
    assert [row["name"] for row in layers(squeezed)] == [layer.name for layer in squeezed.layers]


def test_a_row_holds_the_layers_figures(squeezed):
    row, layer = layers(squeezed)[0], squeezed.layers[0]
    assert row["kind"] == "linear 300×784"
    assert row["nonzeros"] == f"{layer.nonzeros:,} of {layer.weights:,}"
    assert row["density"] == pytest.approx(layer.nonzeros / layer.weights)
    assert (row["bits"], row["rank"], row["encoding"]) == ("4", "full", layer.encoding)


def test_bars_compare_across_layers_and_with_the_original(squeezed):
    rows = layers(squeezed)
    assert max(row["original_share"] for row in rows) == 1
    assert all(0 < row["share"] < row["original_share"] for row in rows)


def test_an_unchanged_layer_has_no_change(untouched):
    assert {row["change"] for row in layers(untouched)} == {""}
    assert {row["bits"] for row in layers(untouched)} == {"32 (float)"}


def test_where_inputs_are_rounded_both_widths_are_shown_and_elsewhere_the_weights_alone(lenet):
    recipe = Recipe((Step(Activations(bits=8), layers=("fc1",)), Step(Uniform(bits=4))))
    rows = layers(workbench.assess(workbench.compress(lenet, recipe), images=20))
    assert [row["bits"].replace("\u00a0", " ") for row in rows] == ["4 × 8 bits", "4", "4"]


def test_rank_above_break_even_is_flagged_and_below_is_not(lenet):
    above, below = layers(assessed(lenet, rank=0.9))[0], layers(assessed(lenet, rank=0.2))[0]
    assert above["above_break_even"]
    assert "break-even" in above["note"]
    assert above["break_even"] == "break-even 216"  # 300 x 784 / (300 + 784), rounded down
    assert not below["above_break_even"]


def test_without_an_original_there_is_nothing_to_compare_with(squeezed):
    rows = layers(replace(squeezed, original=None))
    assert {row["original_share"] for row in rows} == {0}
    assert {row["change"] for row in rows} == {""}


def test_what_a_layer_takes_is_shown_as_a_share_of_the_largest_and_of_all(lenet):
    report = assessed(lenet, sparsity=0.5)
    rows, originals = layers(report), report.original.costs
    for column, name in (("bytes", "size"), ("effective_macs", "effective_macs"), ("energy", "energy")):
        was = [originals[name].by_layer[row["name"]] for row in rows]
        now = [layer.costs[column] for layer in report.layers]
        for key, values in (("was", was), ("now", now)):
            shown = [row["glances"][column][key] for row in rows]
            assert shown == pytest.approx([one / max(was) for one in values], abs=1e-4)
    shares = [re.findall(r"\(([\d.]+)", row["glance"]) for row in rows]
    assert np.array(shares, float).sum(0) == pytest.approx([100, 100, 100], abs=0.2)


def test_the_whole_network_tells_what_own_values_have_made_of_the_sliders_share(lenet):
    own = {"fc1": {"sparsity": 0.9, "bits": 2}}
    report = assessed(lenet, sparsity=0.5, bits=4, overrides=own)
    zeros = 1 - sum(row.nonzeros for row in report.layers) / sum(row.weights for row in report.layers)
    bits = (235_200 * 2 + 31_000 * 4) / 266_200
    assert whole(report).replace("\u00a0", " ") == f"Whole network: {100 * zeros:.1f} % zeros, {bits:.3g} bits a weight"
