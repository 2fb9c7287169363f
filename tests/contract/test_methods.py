"""What holds for every method on the shelf, by what it says it can do."""

import dataclasses
import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.catalogue import catalogue
from workbench.compression.compressed import CompressedModel, compress
from workbench.data.datasets import Dataset
from workbench.errors import RecipeError
from workbench.method import METHODS, Calibrated, Layerwise, Method, Trained
from workbench.methods.prune.magnitude import Magnitude
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

INSTANT = [name for name in METHODS if not issubclass(METHODS[name], Trained)]
LAYERWISE = [name for name in METHODS if issubclass(METHODS[name], Layerwise)]
TRAINED = [name for name in METHODS if issubclass(METHODS[name], Trained)]
# Kinds of levels that hold no single weights, and factors, which are new numbers, give cut weights other values.
FILLS_ZEROS = re.compile(r"factorize\.|quantize\.(product|residual)$|hashing\.")


@cache
def model() -> Model:
    """A layer of every kind: plain, grouped, depthwise, 1 x 1, of one output, strided by name, linear, shared."""
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 12, 1, bias=False), nn.ReLU(), nn.Conv2d(12, 12, (3, 1), padding="same", groups=3),
        nn.Conv2d(12, 1, 3, stride=2), nn.Flatten(), nn.Linear(9, 6), nn.ReLU(), shared, nn.ReLU(), shared,
        nn.Linear(6, 4),
    )  # fmt: skip
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8), random.integers(0, 4, 60)
    data = Dataset.from_arrays("noise", test=(images[:30], labels[:30]), calibration=(images[30:], labels[30:]))
    return Model.from_module(module, torch.zeros(1, 1, 8, 8), data, name="every kind")


def applied(*methods: Method) -> CompressedModel:
    return compress(model(), Recipe(tuple(Step(method) for method in methods)))


def ends(method: type[Method]) -> list[Method]:
    """The method with each of its settings at either end, or at each choice, the others as they are by default."""
    found = [method()]
    for name, setting in method.settings().items():
        values = setting.choices or ((0, 3) if name == "seed" else (setting.low, setting.high))
        found += [method(**{name: value}) for value in values]
    return found


@pytest.mark.parametrize("name", METHODS)
def test_facts_are_given_and_known(name):
    method = METHODS[name]
    known = {entry.number for category in catalogue.categories() for entry in category.entries}
    assert method.name == name
    assert method.catalogue and set(method.catalogue) <= known
    assert method.title and re.search(r"\b(19|20)\d\d\b", method.paper)
    assert isinstance(method.faithful, bool) and method.__doc__
    for setting in method.settings().values():
        assert setting.help.endswith(".")
        assert setting.choices or setting.low <= setting.high
    with pytest.raises(dataclasses.FrozenInstanceError):
        method().seed = 1


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_goes_through_json_and_keeps_its_digest(name):
    for method in ends(METHODS[name]):
        recipe = Recipe((Step(method),))
        again = Recipe.from_json(recipe.to_json())
        assert again.digest == recipe.digest and again.steps[0].method == method


@pytest.mark.parametrize("name", INSTANT)
def test_every_end_of_every_setting_gives_a_network_whose_file_is_as_large_as_said(name, tmp_path):
    x = model().data.split("test").inputs()
    for number, method in enumerate(ends(METHODS[name])):
        compressed = applied(method)
        path = compressed.save(tmp_path / f"{number}.cwb")
        assert path.stat().st_size == compressed.size.value, method
        back = workbench.read(path, model().module, model().data)
        with torch.inference_mode():
            simulated, packed = compressed.to_torch()(x), compressed.packed()(x)
            assert torch.equal(back.to_torch()(x), simulated), method
        bound = 1e-4 * float(simulated.abs().max())
        rounds = any(form.entering is not None for form in compressed.forms.values())
        share = ((packed - simulated).abs() <= bound).float().mean()
        assert share == 1.0 or (rounds and share > 0.9), method  # half a step may go either way


@pytest.mark.parametrize("name", INSTANT)
def test_the_same_decision_twice_and_the_model_stays_as_it_was(name):
    before = [layer.weight.copy() for layer in model().layers]
    first, second = applied(METHODS[name]()), applied(METHODS[name]())
    for layer, was in zip(model().layers, before, strict=True):
        ours, theirs = first.forms[layer.name], second.forms[layer.name]
        assert ours.compose().tobytes() == theirs.compose().tobytes()
        np.testing.assert_array_equal(layer.weight, was)


@pytest.mark.parametrize("name", LAYERWISE)
def test_zeros_stay_zero_unless_a_method_makes_new_numbers(name):
    cut = applied(Magnitude(sparsity=0.6))
    after = applied(Magnitude(sparsity=0.6), METHODS[name]())
    filled = False
    for layer in model().layers:
        zero = cut.forms[layer.name].compose() == 0
        filled |= bool(after.forms[layer.name].compose()[zero].any())
    assert not filled or FILLS_ZEROS.match(name)
    if filled and name.startswith("factorize."):
        assert any("prune after it" in note.text for note in after.notes)


@pytest.mark.parametrize("name", INSTANT)
def test_a_layer_that_is_left_alone_is_named_and_naming_it_is_refused(name):
    method = METHODS[name]()
    notes = applied(method).notes
    for note in notes:
        assert note.text.endswith(".") and note.layer in {layer.name for layer in model().layers}
    refused = [layer for layer in model().layers if method.refusal(layer.form, model().layout(layer))]
    for layer in refused:
        with pytest.raises(RecipeError, match=re.escape(f"{name} cannot be applied to layer {layer.name!r}: it ")):
            compress(model(), Recipe((Step(method, (layer.name,)),)))
        assert any(note.layer == layer.name and "left it alone" in note.text for note in notes)


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_method_names_what_stands_in_for_it_and_that_is_a_preview(name):
    method = METHODS[name]()
    stand_in = method.stand_in()
    if stand_in is None:  # the network stays as it is, and that is said
        preview, plain = applied(method), applied()
        assert preview.previews == (method.title,) and not preview.faithful and preview.model is plain.model
        (said,) = [note.text for note in preview.notes if note.layer == ""]
        assert method.title in said
        assert all("left it alone" in note.text for note in preview.notes if note.layer)
        return
    assert isinstance(stand_in, Layerwise | Calibrated) and type(stand_in) is METHODS[stand_in.name]
    preview, plain = applied(method), applied(stand_in)
    assert preview.previews == (method.title,) and not preview.faithful
    for layer in model().layers:
        assert preview.forms[layer.name].compose().tobytes() == plain.forms[layer.name].compose().tobytes()
