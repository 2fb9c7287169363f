"""The page that needs no kernel: every stop is a point that was measured, and nothing else is in it."""

import dataclasses
import html
import json
import re

import pytest

import workbench
from tests.documents.conftest import IMAGES, STOPS
from widgets.documents.content import Circumstances
from widgets.documents.offline import Stops, write
from workbench.errors import WorkbenchError
from workbench.search.choices import RULES, Choice


@pytest.fixture(scope="module")
def page(points):
    return write(
        points, [Choice(RULES[1], workbench.Recipe.sliders(sparsity=0.6, bits=4), 0.0, 1)], Circumstances(), STOPS
    )


@pytest.fixture(scope="module")
def content(page):
    return json.loads(re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)[1])


def test_every_combination_of_the_stops_is_there_and_no_more(content):
    keys = {f"{zeros},{width},{share}" for zeros in range(3) for width in range(2) for share in range(2)}
    assert set(content["points"]) == keys
    assert [slider["high"] for slider in content["sliders"]] == [2, 1, 1]
    assert content["sliders"][0]["texts"] == ["0 %", "60 %", "90 %"]


@pytest.mark.parametrize(
    ("key", "sliders"),
    [("0,0,0", {}), ("2,1,0", {"sparsity": 0.9, "bits": 4}), ("1,0,1", {"sparsity": 0.6, "rank": 0.5})],
)
def test_a_point_is_what_assess_says(content, lenet, key, sliders):
    report = workbench.assess(workbench.compress(lenet, workbench.Recipe.sliders(**sliders)), images=IMAGES)
    wrong, size, *_ = content["points"][key]["figures"]
    assert wrong["value"].replace("\u00a0", " ") == f"{1000 * (1 - report.compressed.accuracy.value):.1f} in 1,000"
    assert size["details"] == [f"{int(report.compressed.size.value):,}\u00a0bytes"]


def test_a_choice_stands_at_its_point_and_the_page_begins_there(content):
    (choice,) = content["choices"]
    assert choice["stops"] == {"sparsity": 1, "bits": 1, "rank": 0} and content["start"] == "1,1,0"
    assert choice["lines"]


def test_it_needs_nothing_from_anywhere_and_is_small(page):
    assert len(page.encode()) < 2_000_000
    assert not re.search(r"""(?:src|href)=|url\(|@import|https?://(?!www\.w3\.org)|fetch\(|XMLHttp|WebSocket""", page)
    assert "default-src 'none'" in html.unescape(page[:1000])


def test_without_scripts_a_table_is_read(page):
    before = page[: page.index('id="content"')]
    assert "Original" in before and "Balanced" in before and "save this file" in before


def test_what_stands_in_a_name_ends_no_script(points):
    reports = [dataclasses.replace(trial.report, model="</script><img src=x>") for trial in points]
    hostile = [dataclasses.replace(trial, report=report) for trial, report in zip(points, reports, strict=True)]
    page = write(hostile, [], Circumstances(), STOPS)
    assert "<img" not in page and page.count("</script>") == 2


def test_missing_points_are_said(points):
    with pytest.raises(WorkbenchError, match="needs all 12 points; 11"):
        write(points[1:], [], Circumstances(), STOPS)


def test_the_stops_hold_those_of_the_choices():
    assert len(Stops().cases()) == 252
