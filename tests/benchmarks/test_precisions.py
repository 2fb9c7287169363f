"""Energy against error: which points are on the front, and what is said of the claims."""

import numpy as np
import pytest

from benchmarks.precisions import NETWORKS, PRECISIONS, Point, best, page, run
from workbench.accuracy.intervals import Interval
from workbench.compression.ladders import rung
from workbench.method import Trained
from workbench.network.model import load


def point(network: str, precision: str, energy: float, error: float) -> Point:
    return Point(network, precision, 1000, (energy / 2, energy, 2 * energy), Interval(error, error, error), "faithful")


def test_the_front_is_that_of_brute_force():
    random = np.random.default_rng(0)
    points = [point("net", f"{place}", *random.integers(1, 9, 2)) for place in range(40)]
    pairs = [(one.energy[1], one.error.value) for one in points]
    undominated = [
        pair for pair in pairs
        if not any(other != pair and other[0] <= pair[0] and other[1] <= pair[1] for other in pairs)
    ]  # fmt: skip
    assert sorted((one.energy[1], one.error.value) for one in best(points)) == sorted(undominated)


def test_a_claim_that_does_not_hold_is_said_with_what_does():
    holds = [point("a", "float", 3, 0.01), point("a", "4 bits", 2, 0.02), point("a", "binary", 1, 0.03)]
    fails = [point("b", "float", 3, 0.02), point("b", "4 bits", 1, 0.04), point("b", "binary", 2, 0.03)]
    said = page([*holds, *fails], {"processor": "P", "cores": 2, "torch": "2"})
    assert "a: that binary takes the least energy holds; that it has the most errors holds." in said
    assert "b: that binary takes the least energy does not hold (4 bits does)" in said
    assert "b: binary errs no more than 4 bits." in said and "a: 4 bits errs" not in said
    assert "| a | **binary** |" in said and "| b | binary |" in said


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_trained_comes_with_the_workbench(name):
    model = load(name)
    trained = [
        recipe for recipe in PRECISIONS.values() if any(isinstance(step.method, Trained) for step in recipe.steps)
    ]
    assert len(trained) == 5 and all(rung(model, recipe) for recipe in trained)


def test_energy_falls_with_bits():
    """Of LeNet-300-100, whose trainings are shipped. Powers of two are apart: the device has no words of 10 bits."""
    points = run(NETWORKS[:1])
    assert len(points) == len(PRECISIONS) == 7
    assert all(one.error.low < one.error.value < one.error.high and one.energy[0] < one.energy[1] for one in points)
    energies = [one.energy[1] for one in points if not one.precision.startswith("LightNN")]
    assert energies == sorted(energies, reverse=True) and len(set(energies)) == 5
