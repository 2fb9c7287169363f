"""Steps by the base of their method: evidence of the state before, and results of training out of the Store."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress
from workbench.compression.steps import Walk
from workbench.errors import RecipeError
from workbench.exporters.packed import write
from workbench.importers.packed import read
from workbench.method import Calibrated, Trained, setting
from workbench.methods.prune.magnitude import Magnitude
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store


@dataclass(frozen=True)
class Emptied(Calibrated):
    """Zeroes the first outputs of each layer, with their biases."""

    images = False
    catalogue, title, paper, faithful = ("PR-13",), "Emptied outputs", "none", True
    share: float = setting(0.5, "Share of the outputs.", low=0.0, high=1.0, step=0.01)

    def settle(self, forms, evidence, own=()):
        return {name: round(self.share * form.shape[0]) for name, form in forms.items()}

    def compress(self, form, decision):
        values = form.compose().copy()
        values[:decision] = 0
        return form.with_values([values])

    def beside(self, rest, decisions):
        biases = {f"{name}.bias": count for name, count in decisions.items() if f"{name}.bias" in rest}
        return {name: np.where(np.arange(len(rest[name])) < count, 0, rest[name]) for name, count in biases.items()}


@dataclass(frozen=True)
class Halved(Trained):
    """A training whose outcome is known: every weight is halved."""

    catalogue, title, paper = ("PR-01",), "Halved weights", "none"
    sparsity: float = setting(0.5, "Of the method that stands in.", low=0.0, high=1.0, step=0.01)

    def stand_in(self):
        return Magnitude(sparsity=self.sparsity)

    def train(self, state, layers, course):
        module = state.module()
        for layer in layers:
            module.get_submodule(layer).weight.mul_(0.5)
        yield state.trained(module)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    return Model.from_module(module, torch.zeros(1, 12), name="own")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def walk(model: Model, recipe: Recipe, store: Store) -> Walk:
    return Walk(State.of(model), recipe, lambda: False, True, store)


def test_a_calibrated_step_changes_weights_and_the_tensors_beside_them(model):
    compressed = compress(model, Recipe((Step(Emptied()),)))
    naive = [tensor.clone() for tensor in model.module.parameters()]
    for tensor in naive:
        tensor[: len(tensor) // 2] = 0
    for ours, theirs in zip(compressed.to_torch().parameters(), naive, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert compressed.original is model


def test_a_changed_bias_is_in_the_file(model, tmp_path):
    compressed = compress(model, Recipe((Step(Emptied()),)))
    path = tmp_path / "emptied.cwb"
    write(replace(compressed, recipe=Recipe()), path)  # whose own names a method that is on no shelf
    back = read(path, model.module)
    x = torch.rand(3, 12)
    torch.testing.assert_close(back.to_torch()(x), compressed.to_torch()(x), rtol=0, atol=0)


def test_a_trained_step_is_a_preview_until_the_store_has_its_result(model, store):
    recipe = Recipe((Step(Halved()),))
    preview = compress(model, recipe, store=store)
    assert not preview.faithful and preview.previews == ("Halved weights",)
    assert all(form.parts[0].nonzeros < form.parts[0].size for form in preview.forms.values())

    training = walk(model, recipe, store)
    *_, result = recipe.steps[0].method.train(training.state, training.layers(), None)
    training.keep_result(result, {})
    trained = compress(model, recipe, store=store)
    assert trained.faithful and trained.trained_from
    for layer in model.layers:
        np.testing.assert_array_equal(trained.forms[layer.name].compose(), layer.weight / 2)


@dataclass(frozen=True)
class Remarked(Emptied):
    """Has a word to say on every form that it makes."""

    catalogue, title = ("PR-13",), "Remarked"

    def remark(self, before, after):
        return "Said once."


def test_a_remark_is_not_repeated_by_a_step_that_changes_nothing(model):
    again = Recipe((Step(Remarked()), Step(Magnitude(sparsity=0.0)), Step(Magnitude(sparsity=0.0))))
    assert [note.text for note in compress(model, again).notes].count("Said once.") == len(model.layers)


@dataclass(frozen=True)
class Sparing(Halved):
    """Leaves the last layer alone."""

    title = "Sparing"

    def exemption(self, layout):
        return "is the last layer" if layout.output else None


def test_what_a_trained_step_leaves_alone_is_said_with_its_result_too(model, store):
    recipe = Recipe((Step(Sparing()),))
    training = walk(model, recipe, store)
    *_, result = recipe.steps[0].method.train(training.state, training.layers(), None)
    training.keep_result(result, {})
    trained = compress(model, recipe, store=store)
    assert trained.faithful
    assert [(note.layer, note.text) for note in trained.notes] == [
        ("2", "Sparing left it alone: it is the last layer.")
    ]


def test_a_result_belongs_to_its_settings_and_to_the_steps_before(model, store):
    one = walk(model, Recipe((Step(Halved()),)), store).key
    assert walk(model, Recipe((Step(Halved(sparsity=0.25)),)), store).key != one
    assert walk(model, Recipe((Step(Halved(seed=1)),)), store).key != one
    later = walk(model, Recipe((Step(Magnitude(sparsity=0.1)), Step(Halved()))), store)
    later.take()
    assert later.key != one


def test_a_trained_step_can_spare_a_layer_and_so_does_what_stands_in(model, store):
    recipe = Recipe((Step(Halved(), None, {"0": None}),))
    preview = compress(model, recipe, store=store)
    assert preview.forms["0"] is model.layers[0].form
    assert preview.forms["2"].parts[0].nonzeros < model.layers[1].weight.size
    assert walk(model, recipe, store).layers() == ("2",)
    with pytest.raises(RecipeError, match="cannot have settings of their own"):
        compress(model, Recipe((Step(Halved(), None, {"0": {"sparsity": 0.25}}),)), store=store)
