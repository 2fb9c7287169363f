"""The catalogue holds every number once, and its page says what is on the shelf today."""

import re
from pathlib import Path

from workbench.catalogue import catalogue
from workbench.method import METHODS

ROOT = Path(__file__).parents[2]
COUNTS = {
    "PR": 26, "QU": 15, "NP": 12, "BT": 9, "HA": 9, "CO": 3, "FA": 14, "CA": 27,
    "CC": 6, "KD": 16, "NS": 30, "TT": 6, "ME": 26, "GU": 28, "DT": 9, "FT": 18,
}  # fmt: skip
MODES = {"instant", "calibrated", "trained", "architecture", "runtime", "reporting", "tool"}


def entries() -> list[catalogue.Entry]:
    return [entry for category in catalogue.categories() for entry in category.entries]


def test_every_number_is_there_once_and_in_order():
    assert sum(COUNTS.values()) == 254
    expected = [f"{prefix}-{number:02}" for prefix, count in COUNTS.items() for number in range(1, count + 1)]
    assert sorted(entry.number for entry in entries()) == sorted(expected)
    for category in catalogue.categories():
        assert [entry.number for entry in category.entries] == sorted(entry.number for entry in category.entries)
        assert {entry.number[:2] for entry in category.entries} == {category.prefix}


def test_every_entry_has_a_name_a_source_and_known_needs():
    for entry in entries():
        assert entry.title, entry.number
        assert entry.paper, entry.number
        assert entry.mode, entry.number
        assert set(entry.mode) <= MODES, entry.number


def test_every_place_is_a_method_or_a_file_and_every_number_known():
    known = {entry.number for entry in entries()}
    carried = catalogue.places()
    assert set(carried) <= known
    names = {place.name for places in carried.values() for place in places}
    assert {"prune.magnitude", "workbench/models/architectures/lenet_5.py", "workbench/costs/size.py"} <= names
    assert all(name in METHODS or (ROOT / name).is_file() for name in names)


def test_what_is_trained_by_its_paper_and_not_here_is_a_preview():
    found = {row["number"]: row["status"] for row in catalogue.rows()}
    assert found["PR-01"] == found["PR-04"] == found["CA-01"] == "there"
    assert found["HA-01"] == "there" and found["FA-01"] == "preview"
    assert found["KD-16"] == "not yet"


def test_every_method_on_the_shelf_carries_known_numbers():
    known = {entry.number: entry for entry in entries()}
    for name, method in METHODS.items():
        assert method.catalogue, name
        assert set(method.catalogue) <= set(known), name
        modes = {mode for number in method.catalogue for mode in known[number].mode}
        preview = "trained" in modes and not method.faithful  # asks for less
        threshold = modes == {"runtime"} and method.mode == "instant"  # of what runs later, set at once
        assert method.mode in modes or preview or threshold, name


def test_the_page_is_what_the_shelf_gives():
    page = (ROOT / catalogue.PAGE).read_text(encoding="utf-8")
    assert page == catalogue.page(), "run python -m workbench.catalogue.catalogue"
    rows = re.findall(r"^\| ([A-Z]{2}-\d\d) \|.*\| (.+) \|$", page, re.MULTILINE)
    assert len(rows) == len(dict(rows)) == 254
    carried = {number for method in METHODS.values() for number in method.catalogue}
    assert carried <= {number for number, here in rows if here != "not yet"}
