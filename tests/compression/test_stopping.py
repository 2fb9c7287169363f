"""A step that is no longer wanted ends inside a layer, and nothing half-made is left of it."""

from collections.abc import Callable
from itertools import count
from threading import Event

import numpy as np
import pytest

import workbench
from workbench.compression.compressed import compress
from workbench.compression.steps import _made
from workbench.errors import Stopped, still_wanted
from workbench.method import Method
from workbench.methods.factorize import _spectrum
from workbench.methods.factorize.cp import CP
from workbench.methods.factorize.spatial_svd import SpatialSVD
from workbench.methods.factorize.svd import SVD
from workbench.methods.factorize.tucker import Tucker
from workbench.methods.quantize.product import ProductQuantisation
from workbench.recipe import Recipe, Step

LAYER = "conv2"


def asked(times: int) -> Callable[[], bool]:
    """No longer wanted once it has been asked so often."""
    number = count()
    return lambda: next(number) >= times


@pytest.mark.parametrize("method", [CP(rank=0.1), Tucker(rank=0.5), ProductQuantisation(bits=3)])
@pytest.mark.parametrize("times", [2, 7])
def test_it_ends_between_two_rounds_of_one_layer_and_leaves_nothing_half_made(method: Method, times: int) -> None:
    recipe = Recipe((Step(method, (LAYER,)),))
    model, other = workbench.load("lenet-5/mnist"), workbench.load("lenet-5/mnist")
    before = _made.keys()
    with pytest.raises(Stopped):
        compress(model, recipe, cancelled=asked(times))
    assert _made.keys() == before
    still_wanted()  # whoever comes next on this thread is not asked by it
    never_stopped = compress(other, recipe).forms[LAYER]
    for part, expected in zip(compress(model, recipe).forms[LAYER].parts, never_stopped.parts, strict=True):
        np.testing.assert_array_equal(part.values, expected.values)


@pytest.mark.parametrize("method", [SVD, SpatialSVD])
def test_a_decomposition_that_nobody_waits_for_is_finished_and_serves_every_rank(
    method: type[SVD] | type[SpatialSVD], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, begun, go, ended = workbench.load("lenet-5/mnist"), Event(), Event(), []
    whole = _spectrum._whole

    def held(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        begun.set()
        assert go.wait(60)
        ended.append(matrix.shape)
        return whole(matrix)

    monkeypatch.setattr(_spectrum, "_whole", held)

    def of_rank(share: float) -> Recipe:
        return Recipe((Step(method(rank=share), (LAYER,)),))

    with pytest.raises(Stopped):
        compress(model, of_rank(0.5), cancelled=begun.is_set)
    assert ended == []  # LAPACK is at it still
    go.set()
    for share in (0.3, 0.5):
        found = compress(model, of_rank(share)).forms[LAYER]
        expected = compress(workbench.load("lenet-5/mnist"), of_rank(share)).forms[LAYER]
        np.testing.assert_array_equal(found.compose(), expected.compose())
    assert len(ended) == 3  # once for this network, and once for each of those that it is compared with


def test_what_a_decomposition_raises_reaches_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(_spectrum, "_whole", broken)
    with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
        compress(workbench.load("lenet-5/mnist"), Recipe((Step(SVD(rank=0.5), (LAYER,)),)))
