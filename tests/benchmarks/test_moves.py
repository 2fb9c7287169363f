"""Which change of the page answers which move, percentiles, and that page and engine make the same moves."""

import json

import pytest

from benchmarks.moves import (
    BASES,
    KINDS,
    Change,
    Move,
    answer_times,
    backlog,
    foreseen,
    moved_layer,
    recipe,
    steps,
    summary,
    travel,
)
from widgets.controls.position import Position
from widgets.controls.sliders import sliders


def change(at: float, asked: int, answered: int, stage: str, costs: int | None = None) -> Change:
    costs = answered if costs is None else costs
    return Change(at=at, painted=at + 8, asked=asked, answered=answered, costs=costs, stage=stage)


def test_a_change_answers_its_own_move_and_every_one_before_it() -> None:
    moves = [Move(1, 0.0), Move(2, 10.0), Move(3, 20.0)]
    changes = [
        change(5, asked=1, answered=0, stage="exact"),  # of a move before the first
        change(15, asked=2, answered=1, stage="costs"),
        change(40, asked=3, answered=3, stage="costs"),  # the second move was overtaken
        change(60, asked=3, answered=3, stage="accuracy"),
        change(90, asked=3, answered=3, stage="exact"),
    ]
    assert answer_times(moves, changes) == {
        "costs": [15.0, 30.0, 20.0],
        "accuracy": [60.0, 50.0, 40.0],
        "exact": [90.0, 80.0, 70.0],
    }
    assert answer_times(moves, changes, painted=True)["costs"] == [23.0, 38.0, 28.0]
    assert backlog(changes) == 1


def test_costs_that_the_page_knows_ahead_answer_a_move_before_the_kernel_does() -> None:
    moves = [Move(1, 0.0), Move(2, 10.0), Move(3, 20.0)]
    changes = [
        change(1, asked=1, answered=0, stage="exact", costs=1),
        change(12, asked=2, answered=0, stage="exact"),  # where it knows nothing, the figures are those of before
        change(17, asked=2, answered=1, stage="costs"),
        change(21, asked=3, answered=1, stage="costs", costs=3),
        change(40, asked=3, answered=3, stage="costs"),
        change(50, asked=3, answered=3, stage="exact"),
    ]
    assert answer_times(moves, changes) == {
        "costs": [1.0, 11.0, 1.0],
        "accuracy": [50.0, 40.0, 30.0],
        "exact": [50.0, 40.0, 30.0],
    }
    assert foreseen(moves, changes) == 3
    assert foreseen(moves[:1], changes[1:3]) == 0


def test_an_exact_answer_alone_answers_everything_and_no_answer_counts_as_none() -> None:
    exact = [change(30, asked=1, answered=1, stage="exact")]
    assert answer_times([Move(1, 10.0)], exact) == {"costs": [20.0], "accuracy": [20.0], "exact": [20.0]}
    assert answer_times([Move(2, 10.0)], exact) == {"costs": [], "accuracy": [], "exact": []}
    assert backlog([]) == 0


@pytest.mark.parametrize(
    ("times", "median", "p95"),
    [
        ([7.0], 7.0, 7.0),
        (list(range(1, 21)), 10.5, 19),  # the 19th of 20 is the first that 95 % do not exceed
        (list(range(100, 0, -1)), 50.5, 95),
        ([], None, None),
    ],
)
def test_the_95th_percentile_is_the_nearest_rank(times: list[float], median: float | None, p95: float | None) -> None:
    assert summary(times) == {"median": median, "p95": p95, "moves": len(times)}


@pytest.mark.parametrize("kind", KINDS)
def test_moves_visit_different_steps_within_the_slider(kind: str) -> None:
    found = steps(kind, 20)
    assert len(found) == len(set(found)) == (7 if kind == "bits" else 20)
    assert all(0 < travel(kind, step) < 1 for step in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_is_given_the_recipe_that_the_page_makes_there(kind: str) -> None:
    """A native range input has equal distances between its stops; two of the sliders fall from left to right."""
    ranges = sliders()
    axis = "sparsity" if kind == "layer" else kind
    stops = {name: one.off for name, one in ranges.items()}
    stops |= {name: int(BASES[kind][name]) for name in ranges if name in BASES[kind]}
    for step in steps(kind, 7):
        distance = round(travel(kind, step) * (ranges[axis].high - ranges[axis].low))
        stop = ranges[axis].low + distance if ranges[axis].off == ranges[axis].low else ranges[axis].high - distance
        given = Position("lenet-300-100/mnist", "horowitz-45nm").to_dict()
        given["stops"] = {**stops, **({} if kind == "layer" else {axis: stop})}
        given["overrides"] = {"fc3": {"sparsity": stop}} if kind == "layer" else {}
        position = Position.read(json.loads(json.dumps(given)), ["lenet-300-100/mnist"], ["horowitz-45nm"])
        assert position.recipe().digest == recipe(kind, step, "fc3").digest


@pytest.mark.parametrize(("count", "index"), [(1, 0), (2, 1), (3, 2), (9, 6), (10, 7)])
def test_the_layer_that_moves_begins_the_last_third(count: int, index: int) -> None:
    layers = [str(one) for one in range(count)]
    assert moved_layer(layers) == layers[index]
