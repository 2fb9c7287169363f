"""Tables that find what is near: the chances that the papers give, and what brute force finds."""

import numpy as np
import pytest
from scipy import stats

from workbench.lookup import LOOKUPS
from workbench.lookup.fixed_buckets import FixedBuckets
from workbench.lookup.inner_products import REACH, TERMS, InnerProducts, stored, wanted
from workbench.lookup.query_windows import QueryWindows
from workbench.lookup.signed_projections import SignedProjections
from workbench.lookup.streaming import Streaming
from workbench.lookup.ternary_codes import TernaryCodes


def vectors(count: int, inputs: int = 12, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, inputs)).astype(np.float32)


def pair_at(angle: float, inputs: int) -> np.ndarray:
    pair = np.zeros((2, inputs), np.float32)
    pair[0, 0], pair[1, 0], pair[1, 1] = 1, np.cos(angle), np.sin(angle)
    return pair


def assert_rate(met: int, draws: int, chance: float) -> None:
    """Within four standard errors."""
    assert abs(met / draws - chance) <= 4 * np.sqrt(chance * (1 - chance) / draws)


@pytest.mark.parametrize("kind", LOOKUPS)
def test_what_is_stored_is_found_by_itself_or_nearly_and_its_work_is_counted(kind):
    items = vectors(200)
    lookup = LOOKUPS[kind](12, 4, 6, 3)
    lookup.fit(items)
    lookup.insert(np.arange(120), items[:120])
    lookup.insert(np.arange(120, 200), items[120:])
    assert lookup.work.multiplications == 200 * lookup.multiplications and lookup.work.comparisons == 0
    assert (lookup.kind in ("query-windows",)) == (lookup.multiplications == 12 * 6)
    found = lookup.query(items)
    assert lookup.work.multiplications == 400 * lookup.multiplications
    assert lookup.work.comparisons == found.comparisons >= len(found.numbers)
    hits = found.hits(200)
    assert hits.shape == (200, 200) and hits.max() <= 6 and hits.sum() == len(found.numbers)
    assert all(found.candidates(query) == frozenset(np.flatnonzero(hits[query])) for query in range(5))
    own, others = np.diag(hits).mean(), hits.mean()
    assert own > 2 * others
    if kind in ("signed-projections", "streaming", "fixed-buckets", "query-windows", "ternary-codes"):
        assert (np.diag(hits) == 6).all()


@pytest.mark.parametrize(("bits", "tables", "angle"), [(1, 1, 0.5), (1, 1, 2.0), (3, 4, 0.7), (6, 5, 0.4)])
def test_signs_collide_as_often_as_the_angle_says(bits, tables, angle):
    """1 − (1 − p^K)^L with p = 1 − θ/π, over 2,000 draws of the planes."""
    first, second = pair_at(angle, 3)
    draws = 2000
    met = 0
    for seed in range(draws):
        lookup = SignedProjections(3, bits, tables, seed)
        lookup.insert(np.zeros(1, np.int64), first[None])
        met += bool(lookup.query(second[None]).candidates(0))
    assert_rate(met, draws, 1 - (1 - (1 - angle / np.pi) ** bits) ** tables)


@pytest.mark.parametrize("distance", [0.5, 1.0, 3.0])
def test_windows_and_buckets_collide_as_often_as_the_distance_says(distance):
    """100,000 projections: 2Φ(w/2s) − 1 of a window, and the chance of Datar et al. of a fixed bucket."""
    width, draws = 1.5, 100_000
    pair = np.array([[0.0, 0.0], [distance, 0.0]], np.float32)
    windows = QueryWindows(2, 1, draws, 0, width=width)
    windows.insert(np.zeros(1, np.int64), pair[:1])
    ratio = width / distance
    assert_rate(len(windows.query(pair[1:]).numbers), draws, 2 * stats.norm.cdf(ratio / 2) - 1)
    buckets = FixedBuckets(2, 1, draws, 0, width=width)
    buckets.insert(np.zeros(1, np.int64), pair[:1])
    edge = 2 / (np.sqrt(2 * np.pi) * ratio) * (1 - np.exp(-(ratio**2) / 2))
    assert_rate(len(buckets.query(pair[1:]).numbers), draws, 1 - 2 * stats.norm.cdf(-ratio) - edge)


def test_very_sparse_planes_cost_a_root_of_the_inputs_and_tell_angles_nearly_as_well():
    """1 − θ/π of 4,000 planes, within 0.05, of vectors whose energy is spread."""
    items = vectors(2, 400)
    angle = np.arccos(items[0] @ items[1] / np.prod(np.linalg.norm(items, axis=1)))
    lookup = SignedProjections(400, 1, 4000, 0, sparse=True)
    assert abs(lookup.multiplications - 400 * 4000 / 20) < 4 * np.sqrt(400 * 4000 / 20)
    lookup.insert(np.zeros(1, np.int64), items[:1])
    assert abs(len(lookup.query(items[1:]).numbers) / 4000 - (1 - angle / np.pi)) < 0.05


def test_a_lookup_of_ternary_words_is_what_comparing_each_of_them_gives():
    """10,000 random queries of 12 bits, 300 words."""
    memory = TernaryCodes(4, 12, 1, 0)
    random = np.random.default_rng(5)
    words = random.choice([0, 1, 2], (300, 1, 12), p=[0.2, 0.2, 0.6]).astype(np.int8)
    memory.add(np.arange(100), words[:100])
    memory.add(np.arange(100, 300), words[100:])
    queries = random.integers(0, 2, (10_000, 1, 12)).astype(np.int8)
    found = memory.answer(queries)
    asking, expected = np.nonzero(((queries == words[:, 0]) | (words[:, 0] == 2)).all(2))
    np.testing.assert_array_equal(found.numbers, expected)
    np.testing.assert_array_equal(np.diff(found.offsets), np.bincount(asking, minlength=10_000))
    assert len(expected) > 10_000 and found.comparisons == 10_000 + len(expected)


@pytest.mark.parametrize("unsure", [0, 3, 8])
def test_a_word_answers_as_many_queries_as_its_unsure_bits_can_be(unsure):
    memory = TernaryCodes(4, 8, 1, 0)
    word = np.array([1, 0, 1, 1, 0, 0, 1, 0], np.int8)
    word[:unsure] = 2
    memory.add(np.zeros(1, np.int64), word[None, None])
    every = (np.arange(256)[:, None, None] >> np.arange(8)) & 1
    assert len(memory.answer(every.astype(np.int8)).numbers) == 2**unsure


def test_as_many_bits_are_unsure_as_was_said():
    codes = TernaryCodes(12, 10, 5, 0, doubt=0.3).hashed(vectors(400))
    share = (codes == 2).mean()
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 400 / 5)


def test_the_transformed_distance_falls_with_the_inner_product():
    """‖P(x) − Q(q)‖² = 1 + m/4 − 2⟨x, q⟩ + ‖x‖^(2^(m+1)), the last term at most U^(2^(m+1))."""
    items, query = vectors(500).astype(np.float64) * np.linspace(0.1, 3, 500)[:, None], vectors(1, seed=9)[0]
    largest = np.linalg.norm(items, axis=1).max()
    distance = ((stored(items, largest) - wanted(query[None].astype(np.float64))) ** 2).sum(1)
    product = items @ query / np.linalg.norm(query) * REACH / largest
    rest = distance - (1 + TERMS / 4 - 2 * product)
    assert rest.min() >= -1e-6 and rest.max() <= REACH ** (2 ** (TERMS + 1)) + 1e-6
    apart = np.subtract.outer(product, product) > REACH ** (2 ** (TERMS + 1)) / 2
    assert (np.less.outer(distance, distance)[apart]).all()


def recall_of_the_largest(lookup, items: np.ndarray, queries: np.ndarray, wanted_share: float = 0.05) -> float:
    """Of the items of largest inner product, among as many that were met in the most tables."""
    lookup.fit(items)
    lookup.insert(np.arange(len(items)), items)
    hits = lookup.query(queries).hits(len(items)) + np.random.default_rng(0).random((len(queries), len(items))) / 2
    count = round(wanted_share * len(items))
    found, best = (np.argsort(-order, axis=1)[:, :count] for order in (hits, queries @ items.T))
    return float(np.mean([len(set(ours) & set(theirs)) / count for ours, theirs in zip(found, best, strict=True)]))


def test_where_norms_vary_asymmetric_hashing_finds_more_of_the_largest_products():
    items = vectors(600, 16) * np.exp(np.random.default_rng(2).normal(0, 1, (600, 1))).astype(np.float32)
    queries = vectors(60, 16, seed=4)
    asymmetric = recall_of_the_largest(InnerProducts(16, 3, 100, 0), items, queries)
    plain = recall_of_the_largest(
        FixedBuckets(16, 3, 100, 0, width=2.5 * float(np.linalg.norm(items, axis=1).max())), items, queries
    )
    by_angle = recall_of_the_largest(SignedProjections(16, 3, 100, 0), items, queries)
    assert asymmetric > max(plain, by_angle) and asymmetric > 5 * 0.05


def test_windows_around_queries_find_no_less_than_fixed_buckets_of_their_width():
    """The nearest 5 % among as many candidates, one projection a table."""
    items, queries = vectors(500, 8), vectors(80, 8, seed=6)
    near = np.argsort(((queries[:, None] - items) ** 2).sum(2), axis=1)[:, :25]
    recalls = []
    for lookup in (QueryWindows(8, 1, 20, 0, width=1.0), FixedBuckets(8, 1, 20, 0, width=1.0)):
        lookup.insert(np.arange(500), items)
        hits = lookup.query(queries).hits(500) + np.random.default_rng(1).random((80, 500)) / 2
        found = np.argsort(-hits, axis=1)[:, :100]
        recalls.append(np.mean([np.isin(best, ours).mean() for best, ours in zip(near, found, strict=True)]))
    assert recalls[0] >= recalls[1]


def test_unsure_bits_find_more_at_as_many_bits():
    """Recall of the nearest 5 % by angle among all candidates; random choice would have the share of candidates."""
    items, queries = vectors(500, 8), vectors(80, 8, seed=6)
    near = np.argsort(-(queries @ (items / np.linalg.norm(items, axis=1, keepdims=True)).T), axis=1)[:, :25]

    def recall(lookup) -> tuple[float, float]:
        lookup.insert(np.arange(500), items)
        met = lookup.query(queries).hits(500) > 0
        return float(np.take_along_axis(met, near, axis=1).mean()), float(met.mean())

    unsure, sure = recall(TernaryCodes(8, 8, 3, 0)), recall(SignedProjections(8, 8, 3, 0))
    assert unsure[0] > sure[0] and unsure[0] > 3 * unsure[1]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_give_the_answers_of_one_after_each_batch(workers):
    items = vectors(120)
    for shuffle in range(20):
        order = np.random.default_rng(shuffle).permutation(120)
        streaming, plain = Streaming(12, 4, 3, 0, workers=workers), SignedProjections(12, 4, 3, 0)
        for batch in np.array_split(order, 4):
            expected = plain.query(items)
            plain.insert(batch, items[batch])
            found = streaming.batch(batch, items[batch], items)
            for query in range(0, 120, 7):
                assert found.candidates(query) == expected.candidates(query)
        assert streaming.query(items).hits(120).tolist() == plain.query(items).hits(120).tolist()
        assert streaming.work.multiplications == plain.work.multiplications
