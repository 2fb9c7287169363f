"""Sizes against the formulas of the literature and against counts by hand."""

import numpy as np
import pytest

from tests.chains import channel
from workbench.weights.choice import ENCODINGS, smallest
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part


def _size(name: str, form: Form) -> int:
    sizes = ENCODINGS[name].nbytes(form)
    assert sizes is not None
    return sum(sizes.values())


def _spread_out(survivors: int, total: int) -> np.ndarray:
    """`survivors` ones with the zeros between them, as evenly as can be; the last weight survives."""
    values = np.zeros(total, np.float32)
    values[np.round(np.arange(1, survivors + 1) * total / survivors).astype(int) - 1] = 1
    return values.reshape(64, -1)


def _four_bits(values: np.ndarray, grouping: Grouping, symmetric: bool = True) -> Part:
    groups = grouping.count(values.shape)
    levels = Affine(
        4, grouping, np.ones(groups, np.float32), np.full(groups, symmetric_zero_point(4), np.float32), symmetric
    )
    codes = np.where(values == 0, 7, 8).astype(np.uint8)
    return Part.on_levels(levels, codes, values == 0)


@pytest.mark.parametrize("k", [2, 4, 16, 32, 256])
def test_a_codebook_shrinks_by_the_published_ratio(k: int) -> None:
    """n·b / (n·log2 k + k·b), Han et al. 2016, equation 1, with b = 32."""
    n, b, width = 4096, 32, k.bit_length() - 1
    table = np.arange(1, k + 1, dtype=np.float32)
    codes = (np.arange(n) % k).astype(np.uint8).reshape(64, 64)
    form = Form.whole(Part.on_levels(Codebook(max(width, 1), table), codes, np.zeros(codes.shape, bool)))
    assert _size("dense", form) / _size("codebook", form) == n * b / (n * width + k * b)


def test_zeros_off_the_table_cost_one_entry_more() -> None:
    table = np.arange(1, 17, dtype=np.float32)
    codes = (np.arange(1024) % 16).astype(np.uint8).reshape(32, 32)
    zero = np.arange(1024).reshape(32, 32) == 5
    form = Form.whole(Part.on_levels(Codebook(4, table), codes, zero))
    assert ENCODINGS["codebook"].nbytes(form) == {"codes": 1024 * 5 // 8, "codebooks": 4 * 17}
    assert ENCODINGS["bitmap"].nbytes(form) == {"indices": 128, "codes": -(-1023 * 4 // 8), "codebooks": 4 * 16}
    on_table = Form.whole(Part.on_levels(Codebook(4, table - 1), codes, zero))
    assert ENCODINGS["codebook"].nbytes(on_table) == {"codes": 1024 * 4 // 8, "codebooks": 4 * 16}


def test_a_full_table_cannot_take_a_zero_as_well() -> None:
    table = np.arange(1, 257, dtype=np.float32)
    codes = (np.arange(1024) % 256).astype(np.uint8).reshape(32, 32)
    form = Form.whole(Part.on_levels(Codebook(8, table), codes, codes == 3))
    assert ENCODINGS["codebook"].nbytes(form) is None
    assert ENCODINGS["bitmap"].nbytes(form) == {"indices": 128, "codes": 1020, "codebooks": 1024}


@pytest.mark.parametrize(
    ("grouping", "symmetric", "scales"),
    [
        (Grouping("tensor"), True, 4),
        (Grouping("channel"), True, 64 * 4),
        (Grouping("group"), True, 64 * 2 * 4),
        (Grouping("tensor"), False, 4 + 1),
        (Grouping("channel"), False, 64 * (4 + 1)),
        (Grouping("group"), False, 64 * 2 * (4 + 1)),
    ],
)
def test_affine_bytes_by_hand(grouping: Grouping, symmetric: bool, scales: int) -> None:
    form = Form.whole(_four_bits(_spread_out(640, 64 * 100), grouping, symmetric))  # rows of 64 + 36 weights
    assert ENCODINGS["affine"].nbytes(form) == {"codes": 3200, "scales": scales}


def test_the_zero_points_of_one_bit_are_floats() -> None:
    levels = Affine(1, Grouping("channel"), np.ones(4, np.float32), np.full(4, 0.25, np.float32), False)
    form = Form.whole(Part.on_levels(levels, np.ones((4, 16), np.uint8), np.zeros((4, 16), bool)))
    assert ENCODINGS["affine"].nbytes(form) == {"codes": 8, "scales": 4 * 8}


def test_break_even_of_the_bitmap() -> None:
    """Against float32 from 1 zero in 32 weights on; against b-bit codes from 1 in b on."""
    total = 64 * 128
    for cut, wins in ((total // 32, False), (total // 32 + 2, True)):
        form = Form.of(_spread_out(total - cut, total))
        assert (_size("bitmap", form) < _size("dense", form)) == wins
    for cut, wins in ((total // 4, False), (total // 4 + 2, True)):
        form = Form.whole(_four_bits(_spread_out(total - cut, total), Grouping("channel")))
        assert (_size("bitmap", form) < _size("affine", form)) == wins


def test_break_even_of_the_relative_index() -> None:
    """Every fourth weight left: gaps of 2 bits, no filler, so 2 bits a survivor against the bitmap's 1 bit a weight."""
    total = 64 * 128
    quarter = Form.of(_spread_out(total // 4, total))
    assert ENCODINGS["relative-index"].nbytes(quarter) == {"indices": total // 4 * 2 // 8, "codes": total}
    assert _size("relative-index", quarter) == _size("bitmap", quarter) - total // 16
    half = Form.of(_spread_out(total // 2, total))
    assert _size("relative-index", half) == _size("bitmap", half)


def test_padding_is_counted() -> None:
    """One survivor after 1,000 zeros: with 8 bits 3 fillers (768 positions), then a gap of 232."""
    values = np.zeros((1, 1001), np.float32)
    values[0, -1] = 1
    assert ENCODINGS["relative-index"].nbytes(Form.of(values)) == {"indices": 4, "codes": 16}
    part = _four_bits(values, Grouping("tensor"))
    assert ENCODINGS["relative-index"].nbytes(Form.whole(part)) == {"indices": 4, "codes": 2, "scales": 4}


def test_one_bit_grids_have_no_filler() -> None:
    """±scale/2 has no code for zero: far survivors are listed as float32."""
    values = np.zeros((1, 1001), np.float32)
    values[0, -1] = 1
    levels = Affine(1, Grouping("tensor"), np.full(1, 2, np.float32), np.full(1, 0.5, np.float32), True)
    far = Form.whole(Part.on_levels(levels, np.ones((1, 1001), np.uint8), values == 0))
    assert ENCODINGS["relative-index"].nbytes(far) == {"indices": 4, "codes": 16}
    assert ENCODINGS["affine"].nbytes(far) is None


def test_nothing_is_stored_for_a_tensor_of_zeros() -> None:
    form = Form.of(np.zeros((100, 50), np.float32))
    assert smallest(form).name == "relative-index"
    assert _size("relative-index", form) == 0
    assert _size("bitmap", form) == 625


def test_a_product_is_the_sum_of_its_factors() -> None:
    first, second = Part.of(np.ones((4, 100), np.float32)), _four_bits(np.ones((64, 4), np.float32), Grouping("tensor"))
    form = channel(first, second)
    assert ENCODINGS["factored"].nbytes(form) == {"codes": 1600 + 128, "scales": 4}


def test_factors_far_larger_than_the_matrix_are_not_stored() -> None:
    form = channel(Part.of(np.ones((900, 8))), Part.of(np.ones((20, 900))))
    assert ENCODINGS["factored"].nbytes(form) is None
