"""Training by looked-up neurons: exact products of the active ones, idle ones that stay, work that is all counted."""

from time import perf_counter

import pytest
import torch
from torch import nn

from tests.clouds import clouds, perceptron
from workbench.data import datasets
from workbench.engine.training import train
from workbench.errors import RecipeError
from workbench.lookup.signed_projections import SignedProjections
from workbench.methods.hashing._active import ActiveLayer
from workbench.methods.hashing.neuron_lookup import NeuronLookup
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy

EPOCHS = 4


def signs(inputs: int, bits: int = 3, tables: int = 4, seed: int = 0) -> SignedProjections:
    return SignedProjections(inputs, bits, tables, seed)


def wide(hidden: int = 60) -> State:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
    module = nn.Sequential(*module, nn.Linear(hidden, 6)).eval()
    return State.of(Model.from_module(module, torch.zeros(1, 1, 4, 4), clouds(), name="wide"))


def test_active_neurons_and_their_gradients_are_those_of_the_dense_layer():
    torch.manual_seed(0)
    layer, dense, x = nn.Linear(9, 40), nn.Linear(9, 40), torch.randn(7, 9)
    dense.load_state_dict(layer.state_dict())
    active = ActiveLayer(layer, signs, 0.2, 0)
    x.requires_grad_(True)
    found = layer(x)
    mask = (found != 0).float()
    assert 0 < int(mask.sum()) < 7 * 40 and int(mask.sum(1).max()) <= 8
    assert active.spent.neurons == int(mask.sum()) and active.spent.products == 3 * 9 * int(mask.sum())
    assert active.spent.hashing == 7 * 10 * 12 and active.spent.rehashing == 2 * (40 * 10 * 12 + 40 * 9)
    torch.testing.assert_close(found, dense(x) * mask)
    found.square().sum().backward()
    of_x, x.grad = x.grad, None
    (dense(x) * mask).square().sum().backward()
    torch.testing.assert_close(of_x, x.grad)
    torch.testing.assert_close(layer.weight.grad, dense.weight.grad)
    torch.testing.assert_close(layer.bias.grad, dense.bias.grad)
    active.end()
    torch.testing.assert_close(layer(x), dense(x))


def test_nothing_changes_of_a_neuron_that_no_input_computed():
    """An epoch ends with a batch of two images: momentum goes on, and must not move what is idle."""
    seen = []

    class Watched(TrainingCourse):
        def fit(self, module, *, before_step, after_step, **given):
            layer = module.get_submodule("1")

            def before():
                self.was = layer.weight.detach().clone(), layer.bias.detach().clone()
                self.touched = layer.forward.__self__.touched.copy()
                before_step()

            def after(step):
                after_step(step)
                for tensor, was in zip((layer.weight, layer.bias), self.was, strict=True):
                    changed = (tensor.detach() != was).reshape(60, -1).any(1).numpy()
                    assert not changed[~self.touched].any()
                    seen.append((changed.sum(), self.touched.sum()))

            super().fit(module, before_step=before, after_step=after, **given)

    data = clouds()
    some = {
        name: (data.split(name).images[:258], data.split(name).labels[:258]) for name in ("train", "validation", "test")
    }
    course = Watched(type(data).from_arrays("clouds of two", **some), lambda found: None)
    list(NeuronLookup(share=0.05, epochs=3, tables=2, rehash=2).train(wide(), ("1", "3"), course))
    assert min(touched for _, touched in seen) <= 6 and max(changed for changed, _ in seen) > 0


@pytest.mark.parametrize("lookup", ["signed-projections", "fixed-buckets", "query-windows", "ternary-codes"])
def test_each_kind_trains_with_fewer_neurons_and_says_what_it_took(lookup, tmp_path):
    data, store = clouds(), Store(tmp_path / "results")
    state = wide()
    method = NeuronLookup(
        lookup=lookup, bits=2, tables=6, share=0.2, epochs=6, rehash=7, learning_rate=0.005, workers=2
    )
    trained = train(state.model, Recipe((Step(method),)), store)
    texts = [note.text for note in trained.notes]
    assert any("left it alone: it gives scores" in text for text in texts)
    (took,) = [text for text in texts if "of the multiplications" in text]
    assert float(took.split("took ")[1].split("%")[0]) > 20  # six tables of two bits for 16 inputs are no saving
    assert any("Where neurons are looked up" in text for text in texts)
    before, after = (accuracy(one, data.split("test")) for one in (state.module(), trained.to_torch()))
    assert after > before + 0.2


def test_a_network_without_hidden_linear_layers_is_named():
    model = perceptron()
    with pytest.raises(RecipeError, match="no hidden linear layer to look neurons up in"):
        list(NeuronLookup().train(State.of(model), (), TrainingCourse(model.data, lambda found: None)))


def recall(state: State, layer: str, x: torch.Tensor, made) -> float:
    """Of the 5 % of neurons that are excited most, how many were computed, by how many chance would have computed."""
    place = state.module().get_submodule(layer)
    excited = place(x)
    active, _ = ActiveLayer(place, made, 0.05, 0).chosen(x.numpy())
    best = excited.topk(round(0.05 * excited.shape[1]), dim=1).indices
    taken = torch.zeros(excited.shape, dtype=torch.bool)
    taken[torch.from_numpy(active.rows), torch.from_numpy(active.columns)] = True
    return float(taken.gather(1, best).float().mean()) / (len(active.columns) / excited.numel())


@pytest.mark.slow
def test_digits_with_a_tenth_of_the_multiplications(record_property, tmp_path):
    """784-1000-1000-10; the claim is at most 10 % of the multiplications at a loss of a point at most."""
    data, torch_seed = datasets.load("mnist"), 0
    torch.manual_seed(torch_seed)
    layers = [nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 10)]
    model = Model.from_module(nn.Sequential(*layers).eval(), torch.zeros(1, 1, 28, 28), data, name="wide")
    state, course, test = State.of(model), TrainingCourse(data, lambda found: None), data.split("test")
    dense, begun = state.module(), perf_counter()
    course.fit(dense, epochs=EPOCHS, learning_rate=1e-3, seed=0)
    record_property("HA-03, dense", f"{accuracy(dense, test):.2%}, {perf_counter() - begun:.0f} s")
    reached = {}
    for bits, tables in ((6, 5), (9, 5), (6, 2), (3, 5), (6, 20)):
        course.notes.clear()
        method = NeuronLookup(bits=bits, tables=tables, epochs=EPOCHS)
        list(method.train(state, ("1", "3"), course))
        reached[bits, tables] = course.notes
        record_property(f"K {bits}, L {tables}", " ".join(course.notes))
