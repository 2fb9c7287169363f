"""How figures are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.views import numbers


def plain(text: str) -> str:
    return text.replace(numbers.NBSP, " ").replace(numbers.MINUS, "-").replace(numbers.TIMES, "x")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.00 kB"),
        (52_134, "52.1 kB"),
        (999_960, "1,000 kB"),
        (1_066_440, "1,066 kB"),
        (10_000_000, "10.0 MB"),
    ],
)
def test_bytes_are_decimal(count, text):
    assert plain(numbers.bytes_(count)) == text


def test_exact_bytes_are_all_there():
    assert plain(numbers.exact_bytes(1_234_567)) == "1,234,567 bytes"


@pytest.mark.parametrize(
    ("count", "unit", "text"),
    [(0, "MACs", "0 MACs"), (26_620, "MACs", "26.6 k MACs"), (12_500_000, "", "12.5 M"), (561, "", "561")],
)
def test_counts_take_a_prefix(count, unit, text):
    assert plain(numbers.counted(count, unit)) == text


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (0, "0 J"),
        (9.587e-06, "9.59 µJ"),
        (3.63e-08, "36.3 nJ"),
        (0.01068, "10.7 mJ"),
        (2.5, "2.50 J"),
        (4e-13, "0.400 pJ"),
    ],
)
def test_joules_take_the_unit_that_fits(joules, text):
    assert plain(numbers.joules(joules)) == text


def test_a_range_has_one_unit():
    assert plain(numbers.joule_range(4.47e-07, 1.35e-05)) == "0.447 to 13.5 µJ"


@pytest.mark.parametrize(
    ("change", "text"), [(-0.0042, "-0.42 points"), (0.0005, "+0.05 points"), (0.0, "no change"), (-1e-6, "no change")]
)
def test_points_are_signed(change, text):
    assert plain(numbers.points(change)) == text


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        (1000, 50, "20.0x smaller"),
        (1000, 1300, "1.30x larger"),
        (7, 7, "no change"),
        (7, 0, "nothing left"),
        (0, 7, ""),
    ],
)
def test_ratios_say_which_way(was, now, text):
    assert plain(numbers.times(was, now, "smaller", "larger")) == text


@pytest.mark.parametrize(("was", "now", "text"), [(1000, 50, "-95.0 %"), (50, 51.5, "+3.0 %"), (5, 5, ""), (0, 5, "")])
def test_change_in_percent(was, now, text):
    assert plain(numbers.percent_change(was, now)) == text


@given(st.floats(1e-4, 1e15))
def test_three_figures_are_kept(value):
    written = float(numbers.significant(value).replace(",", ""))
    assert math.isclose(written, value, rel_tol=0.0051)


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ([8.2, 10, 12.2], "8.2 to 12× less"),
        ([1, 1, 1], "no change"),
        ([5, 5, 5], "5× less"),
        ([0.5, 0.4, 0.5], "2 to 2.5× more"),
        ([0.5, 1, 4], "from 2.00× more to 4.00× less"),
    ],
)
def test_how_a_range_changed(ratios, text):
    assert numbers.times_range(ratios, "less", "more") == text
