"""Magnitude pruning: exact counts, the right weights, and levels that stay where they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo import loaded
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.state import State
from workbench.train.loop import accuracy
from workbench.weights.form import Form

RNG = np.random.default_rng(0)


def forms() -> dict[str, Form]:
    return {
        "a": Form.of(RNG.normal(size=(7, 11)).astype(np.float32)),
        "b": Form.of(10 * RNG.normal(size=(3, 2, 5, 5)).astype(np.float32)),
    }


@settings(deadline=None)  # the first example compiles
@given(st.floats(0, 1))
def test_global_cut_has_the_exact_count_and_takes_the_smallest(sparsity: float) -> None:
    before = forms()
    after = Magnitude(sparsity=sparsity).apply(before)
    old = np.concatenate([form.compose().ravel() for form in before.values()])
    new = np.concatenate([form.compose().ravel() for form in after.values()])
    assert np.count_nonzero(new == 0) == round(sparsity * old.size)
    if 0 < np.count_nonzero(new) < new.size:
        assert np.abs(old[new == 0]).max() <= np.abs(old[new != 0]).min()
    np.testing.assert_array_equal(new[new != 0], old[new != 0])


@settings(deadline=None)  # the first example compiles
@given(st.floats(0, 1))
def test_layer_scope_gives_every_layer_the_same_share(sparsity: float) -> None:
    for form in Magnitude(sparsity=sparsity, scope="layer").apply(forms()).values():
        assert form.weights - form.parts[0].nonzeros == round(sparsity * form.weights)


def test_ties_are_cut_to_the_exact_count_in_storage_order() -> None:
    cut = Magnitude(sparsity=0.5).apply({"a": Form.of(np.full((2, 4), -3, np.float32))})["a"].compose()
    np.testing.assert_array_equal(cut, [[0, 0, 0, 0], [-3, -3, -3, -3]])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_pruning_after_quantisation_keeps_the_levels(bits: int) -> None:
    quantised = Uniform(bits=bits).apply(forms())
    pruned = Magnitude(sparsity=0.6).apply(quantised)
    for name, form in pruned.items():
        part, source = form.parts[0], quantised[name].parts[0]
        assert part.levels is source.levels
        alive = part.values != 0
        np.testing.assert_array_equal(part.values[alive], source.values[alive])


def test_factors_are_pruned_each() -> None:
    pruned = Magnitude(sparsity=0.5, scope="layer").apply(SVD(rank=0.5).apply(forms()))
    for form in pruned.values():
        for part in form.parts:
            assert part.values.size - part.nonzeros == round(0.5 * part.values.size)


def test_weights_that_go_at_random_are_the_floor() -> None:
    """Catalogue PR-04: 63 % with half of the weights gone by chance and 12 % with four fifths, on another network."""
    model = loaded("lenet-300-100/mnist")
    found = {}
    for name, sparsity in (("magnitude", 0.8), ("half", 0.5), ("four fifths", 0.8)):
        forms = {layer.name: layer.form for layer in model.layers}
        if name == "magnitude":
            forms = Magnitude(sparsity=sparsity).apply(forms)
        else:
            random = np.random.default_rng(0)
            forms = {
                key: Form.of(form.compose() * (random.random(form.shape) >= sparsity)) for key, form in forms.items()
            }
        found[name] = accuracy(State.of(model).with_forms(forms).module(), model.data.split("test"))
    assert found["magnitude"] > 0.95 > found["half"] > found["four fifths"] + 0.5
