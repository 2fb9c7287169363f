"""Both intervals against published values, their limits, and their coverage in simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from workbench.accuracy.intervals import binomial, matched, mcnemar, mean_difference, paired


def test_binomial_is_wilsons_interval() -> None:
    """0 of 10 and 15 of 148: R. G. Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    nothing = binomial(0, 10)
    assert (nothing.low, nothing.value) == (0, 0)
    assert nothing.high == pytest.approx(0.2775, abs=5e-5)
    found = binomial(15, 148)
    assert found.value == 15 / 148
    assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_binomial_on_ten_thousand_images_near_98_percent() -> None:
    interval = binomial(9800, 10_000)
    assert (interval.high - interval.low) / 2 == pytest.approx(0.0027, abs=5e-5)


def test_binomial_stays_inside_0_to_1_and_open() -> None:
    for images in (1, 7, 10_000):
        none, every = binomial(0, images), binomial(images, images)
        assert none.low == none.value == 0 < none.high < 1
        assert every.high == every.value == 1 > every.low > 0


@pytest.mark.parametrize(("hits", "images"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_binomial_refuses_counts_that_cannot_be(hits: int, images: int) -> None:
    with pytest.raises(ValueError, match="images"):
        binomial(hits, images)


def test_paired_is_the_originals_accuracy_plus_the_mean_difference() -> None:
    interval = paired(original_hits=9900, images=10_000, seen=500, gained=2, lost=12)
    assert interval.value == pytest.approx(0.99 - 10 / 500)
    assert interval.low < interval.value < interval.high


def test_paired_tends_to_agresti_and_min_for_one_class_of_few_seen_images() -> None:
    """Their interval: (b - c) / (n + 2) +- z sqrt((b + c + 1) - (b - c)^2 / (n + 2)) / (n + 2)."""
    interval = paired(original_hits=6_000_000, images=10_000_000, seen=1000, gained=50, lost=200)
    centre, half = -150 / 1002, 1.959964 * math.sqrt(251 - 150**2 / 1002) / 1002
    assert interval.low == pytest.approx(0.6 + centre - half, abs=3e-4)
    assert interval.high == pytest.approx(0.6 + centre + half, abs=3e-4)


def test_paired_knows_what_a_class_has_in_common() -> None:
    """All of some classes lost and none of the others: nothing is left to chance but what was added."""
    seen, lost = np.full(10, 50), np.array([50] * 9 + [0])
    collapsed = paired(9500, 10_000, seen, np.zeros(10), lost)
    untouched = paired(9500, 10_000, seen, np.zeros(10), np.zeros(10))
    assert collapsed.high - collapsed.low == pytest.approx(untouched.high - untouched.low)
    mixed = paired(9500, 10_000, seen, np.zeros(10), np.full(10, 45))
    assert mixed.high - mixed.low > 5 * (collapsed.high - collapsed.low)


def test_paired_takes_classes_of_one_image() -> None:
    interval = paired(9000, 10_000, np.ones(100), np.zeros(100), np.repeat([1, 0], 50))
    assert interval.low < 0.4 < interval.high
    assert interval.high - interval.low < 0.3


@pytest.mark.parametrize("seen", [200, 500, 2000])
def test_paired_covers_in_95_percent_of_the_cases_where_classes_fare_differently(seen: int) -> None:
    """10 classes of 1,000 images; of class c a share c / 10 is lost, which unstratified sampling overestimates."""
    rng = np.random.default_rng(seen)
    each, lost = seen // 10, 100 * np.arange(10)
    truth = 1 - lost.sum() / 10_000
    drawn = np.stack([rng.hypergeometric(down, 1000 - down, each, 2000) for down in lost], axis=1)
    intervals = [paired(10_000, 10_000, np.full(10, each), np.zeros(10), row) for row in drawn]
    covered = np.mean([one.low <= truth <= one.high for one in intervals])
    assert 0.93 <= covered <= 0.97
    plain = paired(10_000, 10_000, seen, 0, int(drawn[0].sum()))
    assert intervals[0].high - intervals[0].low < 0.9 * (plain.high - plain.low)


def test_paired_ends_exactly_at_the_count() -> None:
    for original, gained, lost in ((9913, 17, 61), (9871, 0, 0), (1, 9999, 1), (9900, 3, 7003)):
        interval = paired(original, 10_000, 10_000, gained, lost)
        assert interval.low == interval.value == interval.high == (original + gained - lost) / 10_000


def test_paired_stays_open_while_no_difference_has_been_seen() -> None:
    widths = [one.high - one.low for one in (paired(9900, 10_000, seen, 0, 0) for seen in (1, 500, 5000, 9999))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 0
    assert widths[1] == pytest.approx(2 * 1.96 * math.sqrt(0.5) / 501 * math.sqrt(1 - 500 / 10_000), rel=1e-3)


def test_paired_stays_inside_0_to_1() -> None:
    above = paired(original_hits=9990, images=10_000, seen=100, gained=2, lost=0)
    assert above.value == above.high == 1
    below = paired(original_hits=10, images=10_000, seen=100, gained=0, lost=1)
    assert below.value == below.low == 0


@pytest.mark.parametrize(
    ("original", "images", "seen", "gained", "lost"),
    [(5, 10, 0, 0, 0), (5, 10, 11, 0, 0), (11, 10, 5, 0, 0), (5, 10, 5, 3, 3), (5, 10, 5, -1, 0)],
)
def test_paired_refuses_counts_that_cannot_be(original: int, images: int, seen: int, gained: int, lost: int) -> None:
    with pytest.raises(ValueError, match="gained"):
        paired(original, images, seen, gained, lost)


def test_binomial_covers_in_95_percent_of_the_cases() -> None:
    rng = np.random.default_rng(1)
    for truth in (0.5, 0.9, 0.99):
        intervals = [binomial(int(hits), 1000) for hits in rng.binomial(1000, truth, 2000)]
        covered = np.mean([one.low <= truth <= one.high for one in intervals])
        assert 0.93 <= covered <= 0.975


@pytest.mark.parametrize("seen", [500, 2000, 8000])
@pytest.mark.parametrize(("gained", "lost"), [(0, 200), (30, 100), (100, 400), (100, 2000), (50, 6000)])
def test_paired_covers_the_final_count_in_95_percent_of_the_cases(seen: int, gained: int, lost: int) -> None:
    """10,000 images, of which the compressed network answers `gained` + `lost` differently, in random order."""
    rng = np.random.default_rng(seen + gained + lost)
    truth = (9000 + gained - lost) / 10_000
    drawn = rng.multivariate_hypergeometric((gained, lost, 10_000 - gained - lost), seen, 2000)
    intervals = [paired(9000, 10_000, seen, int(up), int(down)) for up, down, _ in drawn]
    covered = np.mean([one.low <= truth <= one.high for one in intervals])
    assert 0.93 <= covered <= 0.985


def test_paired_covers_rare_differences_at_least_as_often() -> None:
    """So rare that most samples show none: Wald's interval would collapse and cover in one case of five."""
    rng = np.random.default_rng(5)
    drawn = rng.multivariate_hypergeometric((0, 5, 9995), 500, 2000)
    intervals = [paired(9000, 10_000, 500, int(up), int(down)) for up, down, _ in drawn]
    assert np.mean([one.low <= 0.8995 <= one.high for one in intervals]) > 0.95


def test_paired_is_narrower_than_counting() -> None:
    """1 % of the answers changed, 500 images seen."""
    difference = paired(9000, 10_000, 500, 1, 4)
    counted = binomial(450, 500)
    assert difference.high - difference.low < 0.4 * (counted.high - counted.low)


def test_matched_is_the_published_interval_of_a_matched_difference() -> None:
    """Approval of a prime minister, asked twice: A. Agresti 2002, Categorical Data Analysis, section 10.1.1.

    1600 people, of whom 86 gained and 150 lost: -0.04, 95 % interval -0.059 to -0.021.
    """
    found = matched(1600, gained=86, lost=150)
    assert found.value == pytest.approx(-0.04)
    assert (found.low, found.high) == pytest.approx((-0.059, -0.021), abs=5e-4)


def test_matched_holds_the_true_difference_in_95_of_100_samples() -> None:
    rng = np.random.default_rng(0)
    for images, share_gained, share_lost in ((100, 0.05, 0.1), (500, 0.01, 0.01), (2_000, 0.002, 0.004)):
        drawn = rng.multinomial(images, [share_gained, share_lost, 1 - share_gained - share_lost], 4_000)
        held = [matched(images, int(up), int(down)) for up, down, _ in drawn]
        share = np.mean([one.low <= share_gained - share_lost <= one.high for one in held])
        assert 0.94 < share <= 1


def test_matched_without_any_change_stays_open_and_within_bounds() -> None:
    same = matched(10_000, 0, 0)
    assert -0.001 < same.low < 0 == same.value < same.high < 0.001
    assert matched(1, 1, 0).high <= 1 and matched(1, 0, 1).low >= -1


@pytest.mark.parametrize(("images", "gained", "lost"), [(0, 0, 0), (5, 3, 3), (5, -1, 0)])
def test_matched_refuses_counts_that_cannot_be(images: int, gained: int, lost: int) -> None:
    with pytest.raises(ValueError, match="images"):
        matched(images, gained, lost)


def test_the_mean_difference_of_scores_is_that_of_their_pairs() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=1_000)
    second = first + 0.01 + 0.01 * rng.normal(size=1_000)
    found = mean_difference(first, second)
    assert found.value == pytest.approx((second - first).mean())
    assert found.high - found.value == pytest.approx(1.96 * (second - first).std(ddof=1) / math.sqrt(1_000), rel=1e-4)
    assert mean_difference([0.0, 1.0], [1.0, 1.0]).ends == (None, None)  # two images say nothing of others
    with pytest.raises(ValueError, match="image by image"):
        mean_difference([0.0], [0.0, 1.0])


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_test_is_the_exact_binomial_one(gained: int, lost: int) -> None:
    expected = 1.0 if gained == lost == 0 else binomtest(gained, gained + lost).pvalue
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)
