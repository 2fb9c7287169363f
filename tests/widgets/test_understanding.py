"""Pictures of weights, answers and trials: small, checked, and true to what they are made of."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from widgets.dashboards.picture import Picture, drawer
from widgets.views import answers as written
from widgets.views.axes import Logarithmic, marks
from workbench.engine.assessment import costs
from workbench.engine.looking import Moment
from workbench.engine.update import Move
from workbench.errors import WorkbenchError
from workbench.insight.behaviour import Flips
from workbench.tasks.classification import Classification

IMAGES = 400
LARGEST = 30_000  # bytes of all that is told of a layer


def moment(model: workbench.Model, recipe: workbench.Recipe, images: int = IMAGES) -> Moment:
    """images: that accuracy is counted on, 0 where nobody asks for it."""
    compressed = workbench.compress(model, recipe)
    report = workbench.assess(compressed, images=images) if images and model.data else costs(compressed)
    return Moment(Move(0, model, recipe, "horowitz-45nm"), compressed, report, lambda: False)


def ask(name: str, at: Moment, **question) -> Picture:
    return drawer(name)(question, at)


@pytest.fixture(scope="module")
def squeezed(lenet) -> Moment:
    return moment(lenet, workbench.Recipe.sliders(sparsity=0.9, bits=2))


@pytest.fixture(scope="module")
def located() -> Moment:
    return moment(workbench.load("locator/located-mnist"), workbench.Recipe.sliders(bits=4))


@pytest.mark.parametrize("name", ["lenet-5/mnist", "resnet-8/fashion-mnist"])
@pytest.mark.parametrize("sliders", [{}, {"sparsity": 0.5, "bits": 3}, {"rank": 0.3}], ids=str)
def test_all_of_a_layers_weights_fit_into_a_small_message(name, sliders):
    model = workbench.load(name)
    at = moment(model, workbench.Recipe.sliders(**sliders), images=0)
    for layer in model.layers:
        found = ask("weights", at, layer=layer.name, factor=1)
        assert len(json.dumps(found.content).encode()) + sum(map(len, found.buffers)) <= LARGEST
        assert found.content["layer"] == layer.name
        assert (found.content["filters"] is None) == (layer.kind != "conv2d" or layer.shape[2:] == (1, 1))
        assert (len(found.buffers) == 3) == (found.content["filters"] is not None)


def test_the_largest_layer_is_seen_first_and_its_zeros_are_the_reports(squeezed):
    found = ask("weights", squeezed, layer=None, factor=0)
    row = next(row for row in squeezed.report.layers if row.name == found.content["layer"] == "fc1")
    said = {line[0]: line[1:] for line in found.content["histogram"]["table"]}
    assert said["Zero"] == ["0", f"{row.weights - row.nonzeros:,}"]
    assert found.content["zeros"]["table"][1] == ["Weights", f"{row.nonzeros:,}", f"{row.weights:,}"]


def test_a_factored_layer_shows_the_factor_that_is_asked_for(lenet):
    at = moment(lenet, workbench.Recipe.sliders(rank=0.2), images=0)
    found = ask("weights", at, layer="fc1", factor=1).content
    assert found["factors"] == ["factor 1: 60×784", "factor 2: 300×60"] and found["factor"] == 1
    assert found["histogram"]["before"] == [] and found["histogram"]["table"][1] == ["Weights", "18,000"]
    assert found["spectrum"]["cut"]["text"].startswith("rank 60: ")
    assert ask("weights", at, layer="fc1", factor=7).content["factor"] == 1


def test_flips_come_a_page_at_a_time_with_their_pixels(lenet, squeezed):
    test = lenet.data.split("test")
    pages = [ask("answers", squeezed, view="flips", group="lost", first=first) for first in (0, 24)]
    shown = [one for page in pages for one in page.content["flips"]["images"]]
    total = int(pages[0].content["groups"][0]["count"])
    assert pages[0].content["flips"]["total"] == total > 24 and len({one["number"] for one in shown}) == len(shown)
    for page in pages:
        numbers = [one["number"] for one in page.content["flips"]["images"]]
        assert page.buffers == (np.moveaxis(test.images[numbers], 1, 3).tobytes(),)
    for one in shown:
        before, after = one["caption"].split(" → ")
        assert before == one["truth"] == str(test.labels[one["number"]]) != after
    beyond = ask("answers", squeezed, view="flips", group="lost", first=10_000)
    assert beyond.content["flips"]["first"] == 0
    whole = sum(int(one["count"]) for one in pages[0].content["groups"][:3])
    assert pages[0].content["groups"][3]["count"] == f"{whole:,}"


def test_classes_and_confusion_tell_the_same_losses(squeezed):
    classes = ask("answers", squeezed, view="classes", group="all", first=0).content["classes"]
    assert [row["label"] for row in classes["rows"]] == list("0123456789")
    confusion = ask("answers", squeezed, view="confusion", group="all", first=0).content["confusion"]
    for row, line in zip(classes["rows"], confusion["rows"], strict=True):
        fell = line["cells"][int(row["label"])]["sign"] < 0
        assert row["fell"] == fell == (row["after"] < row["before"])


def test_a_task_without_classes_says_so_and_shows_boxes(located):
    found = ask("answers", located, view="flips", group="all", first=0).content
    assert found["groups"][0]["label"] == "found → missed"
    assert all(len(box) == 4 for one in found["flips"]["images"] for box in one["boxes"])
    for view in ("confusion", "calibration"):
        assert ask("answers", located, view=view, group="all", first=0).content[view] is None
    tried = ask("trial", located, image=5, pixels=None).content
    assert len(tried["boxes"]) == 3 and tried["before"]["answer"].endswith("overlap")


def test_no_difference_is_said_where_chance_would_do(squeezed):
    few = written.verdict(Flips(np.arange(7), np.arange(3), np.arange(0)), 10_000, "Accuracy")
    assert few.startswith("Accuracy: no difference.") and "p = 0.34" in few
    none = written.verdict(Flips(np.arange(0), np.arange(0), np.arange(4)), 10_000, "Accuracy")
    assert none.startswith("Accuracy: no difference, ")
    many = ask("answers", squeezed, view="classes", group="all", first=0).content["verdict"]
    assert "more than chance" in many and "p < 0.001" in many


def test_a_trial_of_a_test_image_and_of_its_pixels_agree(lenet, squeezed):
    image = lenet.data.split("test").images[7]
    known = ask("trial", squeezed, image=7, pixels=None)
    drawn = ask("trial", squeezed, image=None, pixels=image.reshape(-1).tolist())
    assert known.buffers == drawn.buffers == (image.tobytes(),)
    assert known.content["before"] == drawn.content["before"] and known.content["after"] == drawn.content["after"]
    assert known.content["truth"] == str(lenet.data.split("test").labels[7]) and drawn.content["truth"] == ""
    assert known.content["same"] == (known.content["before"]["answer"] == known.content["after"]["answer"])
    assert ask("trial", squeezed, image=None, pixels=[0] * 784).content["blank"]


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("weights", {"layer": "fc9", "factor": 0}),
        ("weights", {"layer": "fc1", "factor": -1}),
        ("weights", {"layer": ["fc1"], "factor": True}),
        ("weights", {}),
        ("answers", {"view": "everything", "group": "all", "first": 0}),
        ("answers", {"view": "flips", "group": ["all"], "first": 0}),
        ("answers", {"view": "flips", "group": "all", "first": "1"}),
        ("trial", {"image": 10_000, "pixels": None}),
        ("trial", {"image": None, "pixels": [0] * 783}),
        ("trial", {"image": None, "pixels": [256] * 784}),
        ("trial", {"image": None, "pixels": [0.5] * 784}),
        ("trial", {"image": 1, "pixels": [0] * 784}),
        ("trial", {"image": None, "pixels": None}),
    ],
)  # fmt: skip
def test_whatever_else_a_page_asks_is_refused_in_a_sentence(squeezed, name, question):
    with pytest.raises(WorkbenchError, match=r"^[A-Z].{10,150}\.$"):
        drawer(name)(question, squeezed)


def test_a_network_without_weights_or_images_has_a_sentence_in_their_place(own):
    blank, without = moment(workbench.load("vgg-16"), workbench.Recipe()), moment(own, workbench.Recipe())
    for name, at, question in (
        ("weights", blank, {"layer": None, "factor": 0}),
        ("trial", blank, {"image": 0, "pixels": None}),
        ("trial", without, {"image": 0, "pixels": None}),
        ("answers", blank, {"view": "flips", "group": "all", "first": 0}),
        ("answers", without, {"view": "flips", "group": "all", "first": 0}),
    ):
        with pytest.raises(WorkbenchError, match=at.compressed.model.name):
            drawer(name)(question, at)
    assert ask("weights", without, layer=None, factor=0).content["layer"] == "0"


def test_numbers_that_are_to_be_met_have_errors_in_the_place_of_flips():
    torch.manual_seed(0)
    inputs = np.random.default_rng(0).normal(size=(60, 1, 6, 6)).astype(np.float32)
    data = workbench.Dataset.of((inputs, inputs.reshape(60, 36)[:, :2].copy()), task="regression")
    model = workbench.Model.from_module(
        nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), torch.zeros(1, 1, 6, 6), data, "own"
    )
    at = moment(model, workbench.Recipe.sliders(bits=2), images=60)
    found = ask("answers", at, view="flips", group="lost", first=0).content
    assert [group["key"] for group in found["groups"]] == ["lost", "gained"] and found["flips"]["total"] > 0
    assert found["verdict"].startswith("Mean absolute error: ")
    assert ask("answers", at, view="classes", group="lost", first=0).content["classes"] is None
    assert ask("trial", at, image=2, pixels=None).content["before"]["rows"] == []


def test_of_several_labels_an_image_the_names_are_listed():
    torch.manual_seed(1)
    inputs = np.random.default_rng(0).normal(size=(60, 3, 6, 6)).astype(np.float32)
    labels = inputs.mean((2, 3)) > 0
    data = workbench.Dataset.from_arrays(
        "own", test=(inputs, labels), classes=("red", "green", "blue"), task="multi-label"
    )
    module = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
    at = moment(
        workbench.Model.from_module(module, torch.zeros(1, 3, 6, 6), data, "own"), workbench.Recipe.sliders(bits=1), 60
    )
    one = ask("answers", at, view="flips", group="all", first=0).content["flips"]["images"][0]
    there = [name for name, is_there in zip(("red", "green", "blue"), labels[one["number"]], strict=True) if is_there]
    assert one["truth"] == (", ".join(there) or "none")
    assert ask("trial", at, image=one["number"], pixels=None).content["truth"] == one["truth"]


def test_marks_stand_at_round_numbers():
    assert [mark["text"] for mark in marks(-0.44, 0.2)] == ["−0.4", "−0.3", "−0.2", "−0.1", "0", "0.1", "0.2"]
    assert [(mark["at"], mark["text"]) for mark in marks(0.0, 10_000.0, 2)] == [(0, "0"), (0.5, "5,000"), (1, "10,000")]
    assert marks(1.0, 1.0) == []
    axis = Logarithmic(0.5, 500_000)
    assert [mark["text"] for mark in axis.marks()] == ["1", "10", "100", "1,000", "10,000", "100,000"]
    assert axis.at(0) == 0 and axis.at(500_000) == 1 and axis.at(0.5 * 10**3) == pytest.approx(0.5)


def test_classes_without_names_are_numbered_and_a_yes_or_no_has_words():
    assert written.class_names(Classification, (), 3) == ["0", "1", "2"]
    assert written.class_names(Classification, ("cat",), 2) == ["cat", "1"]
    assert written.answer(np.int32(Classification.NO_CLASS), ["cat", "dog"], True) == "no class"
