"""Fine-tuning keeps what the steps before it made, and holds back by decay, dropout and depth as it is told."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.errors import ModelError, RecipeError
from workbench.method import METHODS
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.methods.recover.fine_tuning import FineTuning
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy


@pytest.fixture(scope="module")
def model() -> Model:
    """A network of three layers that tells three clouds apart."""
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = (random.standard_normal((3, 12))[labels] + random.standard_normal((300, 12))).astype(np.float32)
    data = Dataset.from_arrays(
        "clouds", **dict.fromkeys(("train", "validation", "calibration", "test"), (images, labels))
    )
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3))
    TrainingCourse(data, lambda found: None).fit(module, epochs=15, learning_rate=5e-3, seed=0)
    return Model.from_module(module, torch.zeros(1, 12), data)


class Noting(TrainingCourse):
    def fit(self, module, **given):
        self.given = given
        super().fit(module, **given)


def test_zeros_factors_and_levels_stay_and_accuracy_comes_back(model, tmp_path):
    before = (Step(Magnitude(0.8), ("0",)), Step(SVD(rank=0.5), ("2",)), Step(Uniform(bits=4), ("4",)))
    cut, tuned = (
        train(model, Recipe((*before, *after)), Store(tmp_path)) for after in ((), (Step(FineTuning(epochs=10)),))
    )
    was, now = ({name: form.compose() for name, form in one.forms.items()} for one in (cut, tuned))
    np.testing.assert_array_equal(was["0"] == 0, now["0"] == 0)
    assert len(cut.forms["2"].parts) == len(tuned.forms["2"].parts) == 2
    assert not np.array_equal(was["0"], now["0"]) and not np.array_equal(was["2"], now["2"])
    assert tuned.forms["4"].parts[0].levels.bits == 4 and np.array_equal(was["4"], now["4"])
    assert any(note.layer == "4" and "left it alone: it has few levels" in note.text for note in tuned.notes)
    test = model.data.split("test")
    assert accuracy(tuned.to_torch(), test) > accuracy(cut.to_torch(), test)


def test_a_layer_that_the_step_is_not_for_keeps_its_weights(model):
    course = Noting(model.data, lambda found: None)
    (state,) = FineTuning(epochs=1).train(State.of(model), ("2", "4"), course)
    assert state.forms["0"] is State.of(model).forms["0"]
    assert not np.array_equal(state.forms["2"].compose(), model.layers[1].weight)


def test_what_holds_it_back_reaches_the_loop(model):
    course, names = Noting(model.data, lambda found: None), tuple(layer.name for layer in model.layers)
    given = {"learning_rate": 0.002, "weight_decay": 0.3, "epochs": 2, "seed": 5}
    (state,) = FineTuning(dropout=0.4, standout=0.7, **given).train(State.of(model), names, course)
    assert course.given["dropout"] == {"0": 0.4, "2": 0.4} and course.given["standout"] == 0.7  # not the scores
    assert {name: course.given[name] for name in given} == given and course.given["depth"] == 1.0
    (plain,) = FineTuning(**given).train(State.of(model), names, course)
    assert course.given["dropout"] == {}
    assert not np.array_equal(state.forms["0"].compose(), plain.forms["0"].compose())
    with pytest.raises(ModelError, match="Stochastic depth leaves out residual blocks"):
        list(FineTuning(depth=0.5).train(State.of(model), names, course))


def test_decay_shrinks_as_much_as_it_says(model):
    """AdamW's w ← (1 − η λ) w is all that moves weights that see zeros; η of the one step is that of the warm-up."""
    images, labels = np.zeros((128, 12), np.float32), np.arange(128) % 3
    dark = Dataset.from_arrays("dark", **dict.fromkeys(("train", "validation", "test"), (images, labels)))
    course = Noting(dark, lambda found: None)
    (state,) = FineTuning(weight_decay=5.0, learning_rate=0.01, epochs=1).train(
        State.of(model), ("0", "2", "4"), course
    )
    np.testing.assert_allclose(state.forms["0"].compose(), (1 - 0.05 / 1.1) * model.layers[0].weight, rtol=1e-5)


def test_a_network_without_a_linear_layer_to_drop_is_named(model):
    module = nn.Sequential(nn.Linear(12, 3))
    own = Model.from_module(module, torch.zeros(1, 12), model.data, name="one layer")
    with pytest.raises(RecipeError, match="one layer has none but the last"):
        list(FineTuning(dropout=0.5).train(State.of(own), ("0",), Noting(model.data, lambda found: None)))


def test_it_is_on_the_shelf_as_a_recovery():
    assert METHODS["recover.fine-tuning"].mode == "trained"
