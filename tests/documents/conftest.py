"""A report, and a small sweep that offline pages are made of, computed once."""

import pytest

import workbench
from widgets.documents.offline import Stops
from workbench.search.sweep import sweep

IMAGES = 300
STOPS = Stops(sparsity=(0.0, 0.6, 0.9), bits=(32, 4), rank=(1.0, 0.5))


@pytest.fixture(scope="session")
def lenet() -> workbench.Model:
    return workbench.load("lenet-300-100/mnist")


@pytest.fixture(scope="session")
def report(lenet):
    recipe = workbench.Recipe.sliders(sparsity=0.6, bits=4)
    return workbench.assess(workbench.compress(lenet, recipe), images=IMAGES)


@pytest.fixture(scope="session")
def points(lenet):
    return sweep(lenet, STOPS.cases(), images=IMAGES).trials
