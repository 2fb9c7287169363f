"""What holds for every encoding on the shelf, over random forms."""

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests import naive
from tests.chains import channel, spatial
from workbench.errors import RecipeError
from workbench.weights.choice import ENCODINGS, cheapest, held, named, planned, smallest
from workbench.weights.coders import CODERS
from workbench.weights.encoding import Encoding
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels import Levels
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.codebook import Codebook
from workbench.weights.levels.fixed_point import FixedPoint
from workbench.weights.levels.floating_point import FloatingPoint
from workbench.weights.levels.hashed import Hashed
from workbench.weights.levels.hashed_inputs import HashedInputs
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.levels.vectors import Vectors
from workbench.weights.part import Part

SHAPES = [(1, 1), (3, 5), (8, 8), (2, 130), (7, 64), (1, 2000), (4, 3, 3, 3), (5, 1, 3, 3)]
SHAPES += [(0, 4), (4, 0), (2, 0, 3, 3)]  # no weight at all
SPARSITIES = [0.0, 0.02, 0.3, 0.6, 0.9, 0.99, 1.0]


def _affine(rng: np.random.Generator, shape: tuple[int, ...], bits: int, per: Any, grid: str) -> Affine:
    grouping = Grouping(per)
    groups = grouping.count(shape)
    scale = np.exp(rng.normal(-4, 2, groups)).astype(np.float32)
    if grid == "symmetric":
        zero_point = np.full(groups, symmetric_zero_point(bits))
    elif grid == "whole":
        zero_point = rng.integers(0, 2**bits, groups)
    else:
        zero_point = rng.normal(2.0 ** (bits - 1), 2.0**bits, groups)
    return Affine(bits, grouping, scale, zero_point.astype(np.float32), grid == "symmetric")


def _codebook(rng: np.random.Generator, bits: int, centroids: int, with_zero: bool) -> Codebook:
    table = np.sort(rng.normal(size=min(centroids, 2**bits))).astype(np.float32)
    if with_zero:
        table[len(table) // 2] = 0
    return Codebook(bits, table)


@st.composite
def parts(draw: st.DrawFn, shapes: list[tuple[int, ...]] = SHAPES) -> Part:
    shape = draw(st.sampled_from(shapes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    zero = rng.random(shape) < draw(st.sampled_from(SPARSITIES))
    if draw(st.booleans()):
        zero = naive.in_pattern(zero, draw(st.sampled_from(["n-m", "block"])))
    kind = draw(st.sampled_from(["float32", "affine", "affine", "codebook", "other", "vectors"]))
    weights = np.where(zero, np.float32(0), rng.normal(size=shape).astype(np.float32))
    if kind == "float32":
        return Part.of(-weights)
    if kind == "other":
        others = [PowersOfTwo.over(weights, terms) for terms in (1, 3)]
        others += [FixedPoint(2, 3), FixedPoint(2, 14), FloatingPoint(5, 2), FloatingPoint(2, 1)]
        return Part.of(weights).rounded(draw(st.sampled_from(others)))
    if kind == "vectors":
        if weights.size == 0:
            return Part.of(weights)
        table = rng.normal(size=(-(-weights[0].size // 3), 5, 3)).astype(np.float32)
        shared = [Vectors(shape, table), Hashed.fitted(weights, 1 + weights.size // 4, 7)]
        shared.append(HashedInputs.of(weights, 1 + weights[0].size // 2, 5))
        return Part.of(weights).rounded(draw(st.sampled_from(shared)))
    bits = draw(st.integers(1, 8))
    levels: Levels
    if kind == "affine":
        per = draw(st.sampled_from(["tensor", "channel", "group"] if shape[0] else ["tensor", "channel"]))
        grid = draw(st.sampled_from(["symmetric", "whole", "free"]))
        levels, count = _affine(rng, shape, bits, per, grid), 2**bits
    else:
        levels = _codebook(rng, bits, draw(st.sampled_from([1, 2, 3, 5, 16, 255, 256])), draw(st.booleans()))
        count = levels.centroids.size
    return Part.on_levels(levels, rng.integers(0, count, shape).astype(np.uint8), zero)


@st.composite
def products(draw: st.DrawFn) -> Form:
    rank = draw(st.integers(1, 4))
    shapes = [
        (channel, (rank, 9), (7, rank)),
        (channel, (rank, 3, 3, 3), (6, rank, 1, 1)),
        (spatial, (rank, 4, 3, 1), (6, rank, 1, 3)),
    ]
    product, first, second = draw(st.sampled_from(shapes))
    return product(draw(parts(shapes=[first])), draw(parts(shapes=[second])))


UNCODED = [name for name in ENCODINGS if "+" not in name]
CODED = [name for name in ENCODINGS if "+" in name]
forms = st.one_of(parts().map(lambda part: Form.whole(part)), products())
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(values).view(np.uint32)


def _assert_same(decoded: Form, form: Form) -> None:
    """Values bit for bit; levels and codes, too, where they were kept."""
    assert decoded.passages == form.passages
    for now, was in zip(decoded.parts, form.parts, strict=True):
        assert now.shape == was.shape
        assert (_bits(now.values) == _bits(was.values)).all()
        if now.levels is None:
            continue
        assert now.codes is not None
        assert was.codes is not None
        assert was.levels is not None
        assert now.bits == was.bits
        assert now.levels.facts() == was.levels.facts()
        for ours, theirs in zip(now.levels.tables(), was.levels.tables(), strict=True):
            assert (ours.name, ours.data.tobytes()) == (theirs.name, theirs.data.tobytes())
        assert now.codes.shape == was.codes.shape == was.levels.code_shape(was.shape)
        assert now.codes.dtype == was.codes.dtype == was.levels.code_type
        if now.codes.shape == was.shape:
            alive = was.values != 0
            assert (now.codes[alive] == was.codes[alive]).all()
            assert (now.levels.decode(now.codes)[alive] == was.values[alive]).all()


def _stored_bytes(encoding: Encoding) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in encoding.arrays():
        assert one.data.dtype == np.uint8
        assert one.data.ndim == 1
        total[one.part] = total.get(one.part, 0) + one.data.size
    return total


def _through_a_file(encoding: Encoding) -> Encoding:
    """Restored from the fields' JSON and copies of the bytes."""
    fields = json.loads(json.dumps(encoding.fields(), allow_nan=False))
    stored = encoding.arrays()
    assert len({one.name for one in stored}) == len(stored)
    arrays = {one.name: np.frombuffer(one.data.tobytes(), np.uint8) for one in stored}
    return ENCODINGS[encoding.name].restore(fields, arrays)


@pytest.mark.parametrize("name", UNCODED)
@quick
@given(form=forms)
def test_stores_exactly_the_bytes_it_announced_and_gives_the_form_back(name: str, form: Form) -> None:
    _assert_exact(name, form)


@quick
@given(form=parts().map(lambda part: Form.whole(part)), name=st.sampled_from(CODED))
def test_through_a_coder_as_well(form: Form, name: str) -> None:
    _assert_exact(name, form)
    plain, coded = (ENCODINGS[which].nbytes(form) for which in (name.partition("+")[0], name))
    assert plain is None or coded is None or sum(coded.values()) <= sum(plain.values())


def _assert_exact(name: str, form: Form) -> None:
    encoding = ENCODINGS[name]
    announced = encoding.nbytes(form)
    if announced is None:
        with pytest.raises(RecipeError):
            encoding.encode(form)
        return
    stored = encoding.encode(form)
    assert stored.name == name
    assert _stored_bytes(stored) == announced
    assert set(announced) <= {"codes", "indices", "codebooks", "scales"}
    _assert_same(stored.decode(), form)
    restored = _through_a_file(stored)
    _assert_same(restored.decode(), form)
    assert restored.fields() == stored.fields()
    for now, was in zip(restored.arrays(), stored.arrays(), strict=True):
        assert (now.name, now.part, now.data.tobytes()) == (was.name, was.part, was.data.tobytes())


@quick
@given(form=forms)
def test_the_smallest_is_the_smallest(form: Form) -> None:
    _assert_smallest(form, UNCODED)


@settings(quick, max_examples=25)
@given(form=forms.filter(lambda form: not form.factored))
def test_the_smallest_through_a_coder_is_the_smallest(form: Form) -> None:
    _assert_smallest(form.with_coders(("huffman",)), [*UNCODED, *(name for name in CODED if "huffman" in name)])
    _assert_smallest(form.with_coders(tuple(CODERS)), list(ENCODINGS))


def _assert_smallest(form: Form, names: list[str]) -> None:
    chosen = smallest(form)
    sizes = {}
    for name in names:
        encoding = ENCODINGS[name]
        if encoding.nbytes(form) is not None:
            sizes[name] = sum(_stored_bytes(encoding.encode(form)).values())
    assert sum(_stored_bytes(chosen).values()) == min(sizes.values())
    name, plan = cheapest(form)
    assert (name, plan.by_part()) == (chosen.name, _stored_bytes(chosen))
    _assert_same(chosen.decode(), form)


@quick
@given(form=forms, coded=st.sampled_from(CODED))
def test_what_is_planned_is_what_is_stored(form: Form, coded: str) -> None:
    for name in (*UNCODED, coded):
        encoding = ENCODINGS[name]
        plan = encoding.plan(form)
        if plan is not None:
            stored = encoding.encode(form)
            assert plan.fields == stored.fields(), name
            assert plan.arrays == tuple((one.name, one.part, one.data.size) for one in stored.arrays()), name


@quick
@given(form=forms, coded=st.sampled_from(CODED))
def test_a_form_as_it_is_held_has_the_levels_that_come_back(form: Form, coded: str) -> None:
    for name in (*UNCODED, coded):
        encoding = ENCODINGS[name]
        if encoding.nbytes(form) is not None:
            kept, decoded = held(planned(name, form)[1], form), encoding.encode(form).decode()
            assert [part.bits for part in kept.parts] == [part.bits for part in decoded.parts], name
            _assert_same(kept, form)


@quick
@given(form=products(), name=st.sampled_from([name for name in ENCODINGS if name != "factored"]))
def test_a_named_encoding_of_a_product_stores_both_factors(form: Form, name: str) -> None:
    able = all(ENCODINGS[name].nbytes(Form.whole(part)) is not None for part in form.parts)
    if not able:
        with pytest.raises(RecipeError, match=f"{re.escape(name)}.*those that can: dense"):
            named(name, form)
        return
    stored = named(name, form)
    assert stored.name == "factored"
    assert [one["encoding"] for one in stored.fields()["factors"]] == [name, name]
    _assert_same(_through_a_file(stored).decode(), form)


def _brute_force_relative_index(part: Part) -> int:
    """Fewest bytes over every gap width and value stream, from the entries that the paper's rule writes."""
    fewest = []
    for width in range(2, 9):
        written = naive.relative_index(part.values.reshape(-1).tolist(), width)
        fillers = any(value == 0 for _, value in written)
        values = [4 * len(written)]
        levels = part.levels
        if isinstance(levels, Affine):
            points = levels.zero_point
            whole = bool((points == np.rint(points)).all() and (points >= 0).all() and (points <= 255).all())
            each = 4 if levels.symmetric else 5 if whole and levels.bits > 1 else 8
            if not fillers or (whole and (points < 2**levels.bits).all()):
                values.append(-(-len(written) * levels.bits // 8) + each * levels.scale.size)
        elif isinstance(levels, Codebook):
            table = levels.centroids.size + (fillers and 0 not in levels.centroids)
            if table <= 256:
                values.append(-(-len(written) * (table - 1).bit_length() // 8) + 4 * table)
        elif levels is not None and levels.code_per_weight:  # which all have a level at zero
            values.append(-(-len(written) * levels.stored_bits // 8))
        fewest.append(-(-len(written) * width // 8) + min(values))
    return min(fewest)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(part=parts(shapes=[(3, 5), (2, 130), (1, 2000)]))
def test_relative_index_takes_the_best_gap_width(part: Part) -> None:
    sizes = ENCODINGS["relative-index"].nbytes(Form.whole(part))
    assert sizes is not None
    assert sum(sizes.values()) == _brute_force_relative_index(part)


def test_decoded_levels_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    for per in ("tensor", "channel", "group"):
        levels = _affine(rng, (3, 130), 4, per, "whole")
        codes = rng.integers(0, 16, (3, 130)).astype(np.uint8)
        form = Form.whole(Part.on_levels(levels, codes, np.zeros((3, 130), bool)))
        decoded = named("affine", form).decode().parts[0]
        expected = naive.affine(codes, levels.scale, levels.zero_point, levels.grouping.index((3, 130)))
        assert decoded.values.reshape(-1).tolist() == [value + 0.0 for value in expected]


def test_names_and_reasons() -> None:
    form = Form.of(np.ones((2, 2), np.float32))
    with pytest.raises(RecipeError, match="no encoding 'huffman'; there are dense, affine, .*with \\+huffman or"):
        named("huffman", form)
    with pytest.raises(RecipeError, match=r"'affine' cannot hold .* those that can: dense, bitmap, relative-index"):
        named("affine", form)
    with pytest.raises(RecipeError, match="'factored' cannot hold"):
        named("factored", form)


def test_levels_whose_zero_points_are_not_the_symmetric_ones_are_not_lost() -> None:
    codes = np.zeros((2, 2), np.uint8)
    levels = Affine(4, Grouping("tensor"), np.ones(1, np.float32), np.full(1, 3.0, np.float32), True)
    form = Form.whole(Part.on_levels(levels, codes, np.zeros((2, 2), bool)))
    assert ENCODINGS["affine"].nbytes(form) is None
    _assert_same(smallest(form).decode(), form)


def test_groups_larger_than_a_file_may_name_are_stored_as_values() -> None:
    levels = Affine(4, Grouping("group", 1025), np.ones(1, np.float32), np.full(1, 7.0, np.float32), True)
    form = Form.whole(Part.on_levels(levels, np.ones((1, 1025), np.uint8), np.zeros((1, 1025), bool)))
    assert ENCODINGS["affine"].nbytes(form) is None
    _assert_same(_through_a_file(smallest(form)).decode(), form)
