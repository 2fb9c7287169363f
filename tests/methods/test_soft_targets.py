"""Knowledge distillation: what its loss tends to, and a student that is a network like any other from then on."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.accuracy.examiner import Examiner
from workbench.compression.compressed import compress
from workbench.engine.assessment import assess
from workbench.engine.training import train
from workbench.errors import ModelError, RecipeError
from workbench.methods.distill.soft_targets import SoftTargets
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.models import zoo
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.tasks.classification import Classification
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy

TAUGHT = Step(SoftTargets(images=500, epochs=2))


def scores(seed: int) -> torch.Tensor:
    """[images, classes], centred."""
    z = torch.randn(5, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z - z.mean(1, keepdim=True)


def gradient(temperature: float) -> torch.Tensor:
    """[images, classes], of each image's own loss by its student's scores."""
    student = scores(0).requires_grad_(True)
    Classification.soft_loss(student, scores(1), temperature).backward()
    return 5 * student.grad


def test_at_high_temperatures_the_gradient_is_that_of_matching_scores():
    """Hinton et al. 2015, equation 4, times the T² of the loss: (z_s − z_t) / K."""
    matching = (scores(0) - scores(1)) / 10
    errors = [float((gradient(temperature) - matching).abs().max()) for temperature in (10.0, 100.0, 1000.0)]
    assert errors[2] < 2e-3 * float(matching.abs().max())
    assert errors[0] > 5 * errors[1] > 25 * errors[2]  # the next term of the series has 1/T


def test_the_gradient_is_the_difference_of_softened_probabilities_times_the_temperature():
    soft = 4.0 * (F.softmax(scores(0) / 4.0, 1) - F.softmax(scores(1) / 4.0, 1))
    torch.testing.assert_close(gradient(4.0), soft)


@pytest.fixture(scope="module")
def model() -> Model:
    return workbench.load("lenet-5/mnist")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("results"))


def test_without_the_teacher_it_is_plain_training(model, tmp_path):
    recipe = Recipe((Step(SoftTargets(alpha=0.0, images=500, epochs=2, seed=3)),))
    taught = train(model, recipe, Store(tmp_path))
    course = TrainingCourse(model.data, lambda found: None)
    module = course.network("perceptron-20", "plain", 3).module()
    course.fit(module, epochs=2, learning_rate=3e-3, seed=3, images=500)
    for name, tensor in taught.to_torch().state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name


def test_until_it_is_trained_the_teacher_stays_and_what_names_the_student_waits(model, tmp_path):
    recipe = Recipe((TAUGHT, Step(Uniform(bits=4), ("fc1",)), Step(Magnitude(sparsity=0.5), ("hidden",))))
    preview = compress(model, recipe, store=Store(tmp_path))
    report = assess(preview, images=100)
    assert preview.model is model and report.kind == "preview"
    untrained, waiting = report.notes
    assert untrained == "Knowledge distillation has not been trained yet: this is the network before it."
    assert "waits for Knowledge distillation" in waiting and "'hidden'" in waiting
    assert preview.forms["fc1"].parts[0].levels  # which the teacher has, too
    assert preview.save(tmp_path / "preview.cwb").stat().st_size == preview.size.value
    assert workbench.read(tmp_path / "preview.cwb").previews == preview.previews


def test_the_student_is_the_network_that_later_steps_the_report_and_the_file_are_about(model, store, tmp_path):
    recipe = Recipe((Step(Magnitude(sparsity=0.3), ("conv2",)), TAUGHT, Step(Uniform(bits=4), ("fc1",))))
    compressed = train(model, recipe, store)
    assert [layer.name for layer in compressed.model.layers] == ["fc1", "fc2"]
    assert compressed.model.architecture == "perceptron-20" and compressed.original is model
    report = assess(compressed, latency=True)
    assert not compressed.previews and report.model == "perceptron-20 taught by lenet-5/mnist"
    assert [(row.name, row.shape, row.bits) for row in report.layers] == [
        ("fc1", (20, 784), 4), ("fc2", (10, 20), 32),
    ]  # fmt: skip
    assert (report.original.macs, report.compressed.macs) == (2_293_000, 15_880)
    assert report.original.accuracy.value > 0.99 > report.compressed.accuracy.value > 0.2

    path = compressed.save(tmp_path / "student.cwb")
    assert path.stat().st_size == compressed.size.value == report.compressed.size.value
    back = workbench.read(path)
    x = model.data.split("test").inputs(slice(200))
    with torch.inference_mode():
        assert torch.equal(back.to_torch()(x), compressed.to_torch()(x))
        assert torch.allclose(compressed.packed()(x), compressed.to_torch()(x), atol=1e-4)
    assert report.original.latency.median > 2 * report.compressed.latency.median  # that of the teacher
    again = assess(back, latency=True)
    assert again.original.latency is None  # whose weights the file does not hold
    assert "latency" in again.table()
    assert again.original.accuracy == report.original.accuracy and again.original.macs == report.original.macs
    assert again.compressed.accuracy == report.compressed.accuracy
    assert again.compressed.macs == report.compressed.macs


def test_a_session_shows_the_student_once_it_is_there(model, store, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STORE", str(store.folder))
    taught = train(model, Recipe((TAUGHT,)), store)
    session = workbench.Session(model, images=200)
    try:
        session.wait(60)
        session.recipe = Recipe((TAUGHT, Step(Uniform(bits=8))))
        session.wait(60)
        assert session.report.compressed.macs == 15_880 and session.report.original.macs == 2_293_000
        assert [row.bits for row in session.report.layers] == [8, 8]
        session.recipe = Recipe((TAUGHT,))
        session.wait(60)
        *_, standing = Examiner().accuracies(taught, 200)
        assert session.report.compressed.accuracy == standing.compressed
        session.recipe = Recipe()
        session.wait(60)
        assert [row.name for row in session.report.layers] == [layer.name for layer in model.layers]
    finally:
        session.close()


def test_what_cannot_be_taught_is_said(model, store):
    with pytest.raises(ModelError, match=r"vgg-16 takes inputs of shape \(3, 224, 224\)"):
        train(model, Recipe((Step(SoftTargets(student="vgg-16")),)), store)
    with pytest.raises(RecipeError, match="cannot be for some layers"):
        compress(model, Recipe((Step(SoftTargets(), ("fc1",)),)), store=store)
    own = Model.from_module(nn.Sequential(nn.Flatten(), nn.Linear(784, 12)), torch.zeros(1, 1, 28, 28), model.data)
    with pytest.raises(RecipeError, match="perceptron-20 gives 10 scores where Sequential gives 12"):
        train(own, Recipe((TAUGHT,)), store)
    with pytest.raises(RecipeError, match="no layer 'conv1'"):
        train(model, Recipe((TAUGHT, Step(Uniform(), ("conv1",)))), store)


def test_a_network_of_ones_own_can_be_a_teacher(model, store):
    own = Model.from_module(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), torch.zeros(1, 1, 28, 28), model.data)
    taught = train(own, Recipe((TAUGHT,)), store)
    assert taught.model.architecture == "perceptron-20" and taught.faithful


@pytest.mark.slow
def test_with_few_images_the_teacher_helps(model, tmp_path, record_property):
    """Catalogue KD-03: 1,000 images, T = 4, α = 0.9, three seeds. There 84.5 → 87.8 with another optimiser."""
    reached = {
        alpha: [
            accuracy(
                train(
                    model, Recipe((Step(SoftTargets(alpha=alpha, images=1000, seed=seed)),)), Store(tmp_path)
                ).to_torch(),
                model.data.split("test"),
            )
            for seed in range(3)
        ]
        for alpha in (0.0, 0.9)
    }
    for alpha, name in ((0.9, "KD-03, alpha 0.9"), (0.0, "without a teacher")):
        record_property(name, f"{np.mean(reached[alpha]):.2%}")
    gains = np.subtract(reached[0.9], reached[0.0])
    assert (gains > 0).all() and gains.mean() > 0.005
    assert zoo.facts("perceptron-20")["parameter_count"] == 15_910
