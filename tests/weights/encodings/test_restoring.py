"""What no encoding could have written is refused with the field or array named."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.chains import channel
from workbench.errors import FormatError
from workbench.weights.choice import ENCODINGS, named
from workbench.weights.encoding import Encoding
from workbench.weights.form import Form
from workbench.weights.grouping import Granularity, Grouping
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

Arrays = dict[str, NDArray[np.uint8]]


def _grid(bits: int = 3, zero_point: float | None = None, per: Granularity = "channel") -> Affine:
    symmetric = zero_point is None
    point = symmetric_zero_point(bits) if zero_point is None else zero_point
    groups = Grouping(per).count((5, 9))
    return Affine(bits, Grouping(per), np.ones(groups, np.float32), np.full(groups, point, np.float32), symmetric)


def _sparse() -> NDArray[np.bool_]:
    zero = np.ones((5, 9), bool)
    zero.reshape(-1)[[3, 20, 21, 40]] = False
    return zero


def _on(levels: Affine | Codebook, zero: NDArray[np.bool_]) -> Form:
    code = 6 if isinstance(levels, Affine) else 2
    return Form.whole(Part.on_levels(levels, np.full(zero.shape, code, np.uint8), zero))


TABLE = Codebook(3, np.arange(1, 6, dtype=np.float32))
NONE = np.zeros((5, 9), bool)
STORED: dict[str, Encoding] = {
    "dense": named("dense", Form.of(np.where(_sparse(), 0, 2.5))),
    "affine": named("affine", _on(_grid(), NONE)),
    "asymmetric": named("affine", _on(_grid(zero_point=1), NONE)),
    "one bit": named("affine", Form.whole(Part.on_levels(_grid(1, 0.25), NONE.astype(np.uint8), NONE))),
    "codebook": named("codebook", _on(TABLE, _sparse())),
    "bitmap": named("bitmap", _on(_grid(per="tensor"), _sparse())),
    "bitmap of floats": named("bitmap", Form.of(np.where(_sparse(), 0, 2.5))),
    "relative": named("relative-index", _on(_grid(per="tensor"), _sparse())),
    "relative table": named("relative-index", _on(TABLE, _sparse())),
    "coded": named("relative-index+huffman", Form.of(np.eye(40))),
    "factored": named("factored", channel(Part.of(np.ones((2, 9))), Part.of(np.eye(5, 2)))),
}


def _taken_apart(name: str) -> tuple[dict[str, Any], Arrays]:
    arrays = {one.name: np.frombuffer(one.data.tobytes(), np.uint8).copy() for one in STORED[name].arrays()}
    return STORED[name].fields(), arrays


def _restore(name: str, fields: Any, arrays: Arrays) -> Encoding:
    return ENCODINGS[STORED[name].name].restore(fields, arrays)


DENSE, WAYS = {"encoding": "dense"}, ([True, True, 1], [False, False, 1])
FIELDS: list[tuple[str, str, Any, str]] = [
    ("dense", "shape", [5], "bytes where its fields say 20"),
    ("dense", "shape", [9, 6], "'values' has 180 bytes where its fields say 216"),
    ("dense", "shape", "5x9", "a shape must be a list"),
    ("dense", "shape", [5, 9.0], "a shape must be a list"),
    ("dense", "shape", [5, True], "a shape must be a list"),
    ("dense", "shape", [-5, -9], "a shape must be a list"),
    ("dense", "shape", [], "1 to 8 whole numbers"),
    ("dense", "shape", [1] * 9, "1 to 8 whole numbers"),
    ("dense", "shape", [2**31, 2], "more than 2,147,483,648 elements"),
    ("dense", "shape", [0, 2**40], "more than 2,147,483,648 elements"),
    ("dense", "colour", 3, "field 'colour' does not belong there"),
    ("affine", "bits", 0, r"'bits' must be a whole number 1\.\.8"),
    ("affine", "bits", 9, r"'bits' must be a whole number 1\.\.8"),
    ("affine", "bits", 4, "'codes' has 17 bytes where its fields say 23"),
    ("affine", "bits", True, "'bits' must be a whole number"),
    ("affine", "granularity", "row", "'granularity' must be one of tensor, channel, group"),
    ("affine", "granularity", ["tensor"], "'granularity' must be one of"),
    ("affine", "granularity", "tensor", "'scales' has 20 bytes where its fields say 4"),
    ("affine", "granularity", "group", "field 'size' is missing"),
    ("affine", "symmetric", 1, "'symmetric' must be true or false"),
    ("affine", "symmetric", False, "'zero_points' is missing"),
    ("asymmetric", "symmetric", True, "does not belong there"),
    ("asymmetric", "zero_points", "float32", "'zero_points' has 5 bytes where its fields say 20"),
    ("asymmetric", "zero_points", "int4", "'zero_points' must be one of uint8, float32"),
    ("codebook", "centroids", 9, "'centroids' must be a whole number 0..8"),
    ("codebook", "centroids", 4, "'codebook' has 24 bytes where its fields say 20"),
    ("codebook", "zero_entry", False, "'codebook' has 24 bytes where its fields say 20"),
    ("codebook", "zero_entry", None, "'zero_entry' must be true or false"),
    ("bitmap", "values", "float16", "'values' must be one of float32, affine, binary-bases, codebook"),
    ("bitmap", "values", "float32", "'values' is missing"),
    ("relative", "gap_bits", 1, r"'gap_bits' must be a whole number 2\.\.8"),
    ("relative", "entries", -1, "'entries' must be a whole number"),
    ("relative", "entries", 44, "'gaps' has"),
    ("relative", "entries", 10**9, r"'entries' must be a whole number 0\.\.45"),
    ("relative", "shape", [5, 8], "its gaps run past the last weight"),
    ("factored", "ranks", [3], "'values' has 72 bytes where its fields say 108"),
    ("factored", "ranks", [2**20], "its factors do not make a weight of shape"),
    ("factored", "ranks", [2, 2], "'factors' and 'ranks' must list"),
    ("factored", "ranks", [True], "'ranks' must hold whole numbers"),
    ("factored", "factors", [], "'factors' and 'ranks' must list"),
    ("factored", "factors", [1, 2], "must be a JSON object"),
    ("factored", "factors", [DENSE] * 2, "'passage' is missing"),
    ("factored", "factors", [{**DENSE, "passage": [True, True, 0]}] * 2, "must say rows, columns and groups"),
    ("factored", "factors", [{**DENSE, "passage": [True, True, 1]}] * 2, "do not make a weight"),
    ("factored", "factors", [{"encoding": "factored", "passage": way} for way in WAYS], "'encoding' must be one of"),
    ("factored", "factors", [{**DENSE, "shape": [2], "passage": way} for way in WAYS], "'shape' does not belong there"),
]


@pytest.mark.parametrize(("name", "field", "value", "message"), FIELDS)
def test_a_wrong_field(name: str, field: str, value: Any, message: str) -> None:
    fields, arrays = _taken_apart(name)
    _restore(name, fields, arrays)  # as it was written, it is right
    with pytest.raises(FormatError, match=message):
        _restore(name, {**fields, field: value}, arrays)


@pytest.mark.parametrize("name", STORED)
def test_every_field_and_array_is_needed(name: str) -> None:
    fields, arrays = _taken_apart(name)
    for field in fields:
        with pytest.raises(FormatError):
            _restore(name, {one: value for one, value in fields.items() if one != field}, arrays)
    for array in arrays:
        with pytest.raises(FormatError, match=f"{array.rpartition('.')[2]}' is missing"):
            _restore(name, fields, {one: value for one, value in arrays.items() if one != array})
        for size in (arrays[array].size - 1, arrays[array].size + 1):
            with pytest.raises(FormatError, match=f"{array.rpartition('.')[2]}' has {size}|stream '(gaps|codes)': "):
                _restore(name, fields, {**arrays, array: np.resize(arrays[array], size)})
    with pytest.raises(FormatError, match="does not belong there"):
        _restore(name, fields, {**arrays, "extra": np.zeros(0, np.uint8)})


def _floats(*values: float) -> NDArray[np.uint8]:
    return np.array(values, "<f4").view(np.uint8)


def _byte(value: int) -> NDArray[np.uint8]:
    return np.array([value], np.uint8)


ARRAYS: list[tuple[str, str, int, NDArray[np.uint8], str]] = [
    ("dense", "values", 0, _floats(np.nan), "'values' holds values that are NaN or infinite"),
    ("dense", "values", 0, _floats(-0.0), "negative zero"),
    ("affine", "scales", 4, _floats(np.inf), "'scales' holds values that are NaN or infinite"),
    ("affine", "scales", 4, _floats(3e38), "its weights are not all finite"),
    ("affine", "codes", -1, _byte(0xFF), "'codes' has bits set after its last code"),
    ("one bit", "zero_points", 0, _floats(np.nan), "'zero_points' holds values that are NaN or infinite"),
    ("codebook", "codes", 0, _byte(0xFF), "code 7 is outside the table of 6 values"),
    ("codebook", "codebook", 20, _floats(1.0), "the only zero"),
    ("codebook", "codebook", 20, _floats(-0.0), "the only zero"),
    ("codebook", "codebook", 0, _floats(0.0), "the only zero"),
    ("bitmap", "bitmap", -1, _byte(0xFF), "'bitmap' has bits set after its last code"),
    ("bitmap", "bitmap", 0, _byte(0xFF), "'codes' has 2 bytes where its fields say 5"),
    ("bitmap", "scales", 0, _floats(0.0), "marks as non-zero is zero"),
    ("bitmap of floats", "values", 0, _floats(0.0), "marks as non-zero is zero"),
    ("relative", "gaps", 0, _byte(0xFF), "its gaps run past the last weight"),
    ("relative", "scales", 0, _floats(0.0), "not a filler is zero"),
]


@pytest.mark.parametrize(("name", "array", "start", "content", "message"), ARRAYS)
def test_a_wrong_array(name: str, array: str, start: int, content: NDArray[np.uint8], message: str) -> None:
    fields, arrays = _taken_apart(name)
    start %= arrays[array].size
    arrays[array][start : start + content.size] = content
    with pytest.raises(FormatError, match=message):
        _restore(name, fields, arrays)


def test_a_filler_may_be_zero_and_the_last_entry_may_not() -> None:
    values = np.zeros((1, 600), np.float32)
    values[0, [300, 599]] = 1
    stored = named("relative-index", Form.of(values))
    fields = stored.fields()
    arrays = {one.name: one.data.copy() for one in stored.arrays()}
    assert np.count_nonzero(ENCODINGS[stored.name].restore(fields, arrays).decode().parts[0].values) == 2
    arrays["values"][-4:] = 0
    with pytest.raises(FormatError, match="not a filler is zero"):
        ENCODINGS[stored.name].restore(fields, arrays)
