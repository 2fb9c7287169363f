"""Compressed networks that several tests look at, made once."""

import pytest

import workbench


@pytest.fixture(scope="session")
def lenet() -> workbench.Model:
    return workbench.load("lenet-300-100/mnist")


@pytest.fixture(scope="session")
def squeezed(lenet):
    """90 % zeros, the others 4 bits wide."""
    return workbench.compress(lenet, workbench.Recipe.sliders(sparsity=0.9, bits=4))


@pytest.fixture(scope="session")
def factored(lenet):
    """A fifth of the rank, and half of what is left zero."""
    return workbench.compress(lenet, workbench.Recipe.sliders(rank=0.2, sparsity=0.5))
