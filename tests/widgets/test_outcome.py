"""What is said of a search: what was found and by how much it misses, and nothing about what was not tried."""

import pytest

from widgets.views.outcome import stops, told
from widgets.views.sensitivity import layers
from workbench import Recipe
from workbench.accuracy.intervals import Interval
from workbench.search.goals import Found, Goals, Outcome, Price
from workbench.search.judge import Change
from workbench.search.sensitivity import Sensitivity


def found(size, accuracy, sparsity=0.5):
    recipe = Recipe.sliders(sparsity=sparsity)
    return Found(recipe, {"size": size}, Interval(accuracy - 0.004, accuracy, accuracy + 0.004), size / 20_000)


ORIGINAL = found(1_725_465, 0.9932, sparsity=0.0)


def words(**facts):
    given = {"phase": "done", "share": 1.0, "left": 0.0, "images": 5000, "original": ORIGINAL, "tried": 12}
    said = told(Outcome(**{"goals": Goals({"size": 20_000}, 0.98), **given, **facts}))
    return said["met"], " ".join([said["found"], *said["lines"]]).replace("\u00a0", " ")


def test_what_was_found_names_its_limit_and_the_price_of_more():
    met, said = words(best=found(19_521, 0.9896), price=Price(0.01, {"size": 4_000}))
    assert met and said == (
        "Found: 19.5 kB and 98.96 % on 5,000 validation images. Size is the limit that holds it back. Accuracy has "
        "0.96 points to spare. One more point of accuracy would take about 4.00 kB more."
    )


def test_what_was_not_found_says_by_how_much_and_what_there_is_instead():
    nearest, least = found(10_900, 0.10), found(38_000, 0.991)
    met, said = words(goals=Goals({"size": 2_000}, 0.99), best=nearest, least=least, price=Price(0.01, {"size": 46}))
    assert not met and said == (
        "Not found. The nearest of 12 tried: 10.9 kB and 10.00 % on 5,000 validation images. Size is 8.90 kB above the "
        "limit. Accuracy is 89.00 points below what was asked for. The least found with at least 99 %: 38.0 kB."
    )
    _, said = words(goals=Goals({"size": 20_000}, 0.998), best=found(19_900, 0.99))
    assert said.endswith("The network as it came has 99.32 % on these images, and nothing tried had more.")
    assert "impossible" not in said and "cannot" not in said


def test_while_it_runs_it_says_what_it_does_and_how_long_it_takes():
    outcome = Outcome(Goals({"size": 20_000}), "exchanging", 0.4, 7.6, 5000, ORIGINAL, found(19_000, 0.97))
    said = told(outcome)
    assert said["status"] == "Moving bytes from layer to layer, about 8 s left" and said["lines"] == []
    assert said["found"].startswith("Best so far: 19.0")
    assert told(outcome, cancelled=True)["found"].startswith("Found: 19.0")


def test_stops_go_from_no_wish_to_the_strictest():
    there = stops({"energy": 4.1e-6, "size": 1_725_465})
    size, energy = there["limits"]
    assert (size["label"], energy["label"]) == ("Size at most", "Energy at most")
    joules = [one["value"] for one in energy["stops"][1:]]
    assert 1e-6 in joules and max(joules) < 4.1e-6 and joules == sorted(joules, reverse=True)
    sizes, accuracies = ([one["value"] for one in stops] for stops in (size["stops"], there["accuracy"]))
    assert sizes[0] is None and accuracies[0] is None
    assert sizes[1:] == sorted(sizes[1:], reverse=True) and accuracies[1:] == sorted(accuracies[1:])
    assert 20_000 in sizes and 0.98 in accuracies and max(sizes[1:]) < 1_725_465


def test_layers_are_ordered_by_what_was_measured_of_all():
    measured = [
        Sensitivity("a", 0.8, Change(-0.02, -0.03, -0.01), 100),
        Sensitivity("b", 0.8, Change(-0.01, -0.02, 0.0), 100),
        Sensitivity("b", 0.9, Change(-0.5, -0.6, -0.4), 100),
    ]
    said = layers(measured, "sparsity")
    assert said["order"] == ["a", "b"]
    by_name = {row["layer"]: row for row in said["layers"]}
    assert by_name["a"]["share"] == 1.0 and by_name["b"]["share"] == pytest.approx(0.5)
    assert [cell["clear"] for cell in by_name["b"]["cells"]] == [False, True]
    assert [cell["share"] for cell in by_name["b"]["cells"]] == [pytest.approx(0.02), 1.0]
    assert by_name["b"]["text"].replace("\u00a0", " ") == "loses 50.00 points at 90 %"
    assert by_name["a"]["text"].replace("\u00a0", " ") == "loses 2.00 points at 80 %"
