"""What is shown of a layer's weights, against their own counts and norms."""

import math

import numpy as np
import pytest

import workbench
from workbench.insight import mask as masks
from workbench.insight.distribution import BINS, MOST_LEVELS, histograms, pruned
from workbench.insight.filters import MOST, filters
from workbench.insight.mask import mask
from workbench.insight.spectrum import spectrum
from workbench.weights.form import Form
from workbench.weights.part import Part


def test_every_weight_is_counted_once(lenet, squeezed):
    for layer in lenet.layers:
        part = squeezed.stored[layer.name].parts[0]
        for tensor, found in zip((layer.weight, part.values), histograms(layer.weight, part.values), strict=True):
            assert found.counts.size == BINS == found.edges.size - 1
            assert found.counts.sum() + found.zeros == tensor.size
            assert found.zeros == np.count_nonzero(tensor == 0)
            assert (found.low, found.high) == (tensor.min(), tensor.max())


def test_a_bin_counts_what_lies_between_its_edges():
    tensor = np.random.default_rng(0).normal(size=(7, 50)).astype(np.float32)
    tensor[0, :20] = 0
    (found,) = histograms(tensor)
    last = BINS - 1
    for number in range(BINS):
        low, high = found.edges[number], found.edges[number + 1]
        inside = [low <= one < high or (number == last and one == high) for one in tensor[tensor != 0].tolist()]
        assert found.counts[number] == sum(inside)


def test_levels_are_the_values_that_there_are(lenet, squeezed):
    part = squeezed.stored["fc3"].parts[0]
    _, found = histograms(lenet.layer("fc3").weight, part.values)
    counted = dict(zip(found.levels.tolist(), found.on_level.tolist(), strict=True))
    assert counted == {
        value: int((part.values == value).sum()) for value in set(part.values.reshape(-1).tolist()) - {0}
    }
    assert found.distinct == len(counted) <= 10 * 14  # of symmetric 4-bit grids, one an output
    many, _ = histograms(lenet.layer("fc1").weight, part.values)
    assert many.distinct > MOST_LEVELS and many.levels.size == 0


def test_the_pruned_band_is_told_where_size_alone_decided(lenet, squeezed):
    cut = workbench.compress(lenet, workbench.Recipe.sliders(sparsity=0.5))
    before, after = lenet.layer("fc1").weight, cut.stored["fc1"].parts[0].values
    found = pruned(before, after)
    assert found.count == found.within == np.count_nonzero(after == 0) - np.count_nonzero(before == 0)
    assert (np.abs(before[after == 0]) <= found.threshold).all() and found.threshold == np.abs(before[after != 0]).min()
    rows = before.copy()
    rows[::2] = 0
    emptied = pruned(before, rows)
    assert emptied.count == np.count_nonzero(before[::2]) and emptied.within < 0.01 * emptied.count
    assert pruned(before, before).count == 0
    nothing = pruned(before, np.zeros_like(before))
    assert nothing.within == nothing.count and nothing.threshold == np.abs(before).max()


def test_zeros_of_the_mask_are_the_reports(lenet, squeezed):
    report = workbench.assess(squeezed, images=100)
    for row in report.layers:
        part = squeezed.stored[row.name].parts[0]
        found = mask(part)
        assert found.zeros == row.weights - row.nonzeros
        sides = np.minimum(found.side, found.rows - found.side * np.arange(found.left.shape[0]))
        across = np.minimum(found.side, found.columns - found.side * np.arange(found.left.shape[1]))
        assert round(float((found.left * np.outer(sides, across)).sum())) == row.nonzeros


def test_a_small_mask_has_a_bit_a_weight_and_a_large_one_a_byte_a_cell(monkeypatch):
    values = np.random.default_rng(1).integers(0, 2, (9, 14)).astype(np.float32)
    found = mask(Part.of(values))
    bits = [found.packed()[place // 8] >> place % 8 & 1 for place in range(values.size)]
    assert bits == values.reshape(-1).astype(int).tolist()
    monkeypatch.setattr(masks, "MOST_BITS", 100)
    monkeypatch.setattr(masks, "MOST_CELLS", 40)
    found = mask(Part.of(values))
    assert found.side == 2 and found.left.shape == (5, 7)
    for row in range(5):
        for column in range(7):
            cell = values[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert found.left[row, column] == pytest.approx(cell.mean())
            assert (found.packed()[7 * row + column] == 0) == (not cell.any())


def test_energy_is_the_squared_frobenius_norm_and_a_cut_keeps_the_first_values(lenet, factored):
    layer = lenet.layer("fc1")
    found = spectrum(layer.form, factored.stored["fc1"])
    assert found.rank == factored.stored["fc1"].rank == 60
    assert (found.before**2).sum() == pytest.approx((layer.weight.astype(np.float64) ** 2).sum(), rel=1e-9)
    assert found.before == pytest.approx(np.linalg.svd(layer.weight.astype(np.float64), compute_uv=False), abs=1e-6)
    assert found.after[60:] == pytest.approx(0, abs=1e-4 * found.before[0])
    for share in (0.5, 0.9, 1.0):
        held = found.holding(share)
        assert found.energy[held - 1] >= share - 1e-9 and (held == 1 or found.energy[held - 2] < share)


def test_the_cut_of_a_truncated_svd_leaves_the_energy_that_it_says(lenet):
    form = workbench.compress(lenet, workbench.Recipe.sliders(rank=0.2)).stored["fc1"]
    weight = lenet.layer("fc1").weight.astype(np.float64)
    found = spectrum(lenet.layer("fc1").form, form)
    lost = ((weight - form.compose()) ** 2).sum() / (weight**2).sum()
    assert found.energy[found.rank - 1] == pytest.approx(1 - lost, abs=1e-6)
    plain = spectrum(lenet.layer("fc1").form, lenet.layer("fc1").form)
    assert plain.rank is None and np.array_equal(plain.before, plain.after)


def test_a_matrix_too_large_for_a_moment_has_no_spectrum():
    weight = np.zeros((2049, 2050), np.float32)
    assert spectrum(Form.of(weight), Form.of(weight)) is None
    nothing = spectrum(Form.of(weight[:3]), Form.of(weight[:3]))
    assert nothing.energy.tolist() == [1, 1, 1] and nothing.holding(0.9) == 1


def test_filters_are_the_first_kernels_and_zero_stays_zero():
    before = np.random.default_rng(2).normal(size=(20, 4, 3, 3)).astype(np.float32)
    after = np.where(np.abs(before) < 0.5, np.float32(0), before)
    found = filters(before, after)
    assert found.before.shape == (MOST, 3, 3) and found.total == 80
    assert np.array_equal(found.after[5], after[1, 1])
    shades = found.shades(found.after)
    assert np.array_equal(shades == 0, found.after == 0) and np.array_equal(np.sign(shades), np.sign(found.after))
    assert np.abs(found.shades(found.before)).max() == 127
    assert (
        filters(before[:, :, :1, :1], after[:, :, :1, :1]) is None
        and filters(before[..., 0, 0], after[..., 0, 0]) is None
    )
    assert math.isclose(found.largest, float(np.abs(found.before).max()))
