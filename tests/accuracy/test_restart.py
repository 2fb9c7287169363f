"""Restarting at the first changed layer: the same answers, bit for bit, as from the beginning; memory within budget."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.one_thread import one_thread  # noqa: F401 (every test here uses it)
from tests.zoo import loaded
from workbench.accuracy.lane_network import LaneNetwork
from workbench.accuracy.network import BATCH
from workbench.accuracy.restart import Evaluator
from workbench.accuracy.torch_network import TorchNetwork
from workbench.errors import ModelError
from workbench.methods.factorize.svd import SVD
from workbench.network.model import Model
from workbench.weights.form import Form
from workbench.weights.part import Part

IMAGES = 2 * BATCH + 30


def _inputs(*shape: int) -> torch.Tensor:
    return torch.rand(IMAGES, *shape, generator=torch.Generator().manual_seed(1))


def _images(*shape: int) -> Callable[[int, int], torch.Tensor]:
    return lambda start, stop: _inputs(*shape)[start:stop]


def _originals(model: Model) -> dict[str, Form]:
    return {layer.name: Form.of(layer.weight) for layer in model.layers}


def _moved(form: Form, random: np.random.Generator, density: float = 1.0) -> Form:
    values = form.parts[0].values * random.uniform(0.2, 1.8, form.parts[0].shape)
    return Form.whole(Part.of(np.where(random.random(values.shape) < density, values, 0)))


def _scores(evaluator: Evaluator) -> list[np.ndarray]:
    """Of every batch; `answers` keeps the labels only."""
    found: list[np.ndarray] = []
    scores = evaluator._scores
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "_scores", lambda *given: found.append(scores(*given)) or found[-1])
        for batch in range(-(-IMAGES // evaluator.batch)):
            evaluator.answers(batch)
    return [one.numpy() for one in found]


def _sweeps(model: Model, random: np.random.Generator, density: float) -> Iterator[dict[str, Form]]:
    """One layer moved twice, then another one; among them a rank and a move of all."""
    forms = {name: _moved(form, random, density) for name, form in _originals(model).items()}
    names = list(forms)
    for name in (names[-1], names[len(names) // 2], names[-2], names[len(names) // 2]):
        for _ in range(2):
            forms = {**forms, name: _moved(_originals(model)[name], random, density)}
            yield forms
    free = [layer.name for layer in model.layers if not model.layout(layer).unfactorable][-2]
    forms = {**forms, **SVD(rank=0.5).apply({free: forms[free]})}
    yield forms
    yield {name: _moved(form, random, density) for name, form in _originals(model).items()}
    yield _originals(model)


@pytest.mark.parametrize("name", ["lenet-300-100/mnist", "lenet-5/mnist", "resnet-8/fashion-mnist"])
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_scores_are_those_of_a_run_from_the_beginning(name: str, density: float) -> None:
    model, random = loaded(name), np.random.default_rng(0)
    evaluators = [Evaluator(model, _images(1, 28, 28), IMAGES, budget) for budget in (0, 2**20, 2**28)]
    for forms in _sweeps(model, random, density):
        fresh = Evaluator(model, _images(1, 28, 28), IMAGES, budget=0)
        fresh.load(forms)
        expected = list(_scores(fresh))
        for kept in evaluators:
            kept.load(forms)
            for one, other in zip(_scores(kept), expected, strict=True):
                assert np.array_equal(one, other)
            assert kept.nbytes <= kept.budget


def test_a_second_move_of_a_layer_runs_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, random = loaded("lenet-5/mnist"), np.random.default_rng(0)
    evaluator = Evaluator(model, _images(1, 28, 28), IMAGES)
    forms = _originals(model)
    evaluator.load(forms)
    network = evaluator._way.network
    starts: list[int] = []
    run = network.run
    monkeypatch.setattr(network, "run", lambda live, start, stop=None: starts.append(start) or run(live, start, stop))
    ran = []
    for _ in range(3):
        evaluator.load(forms)
        evaluator.answers(0)
        ran.append(starts.copy())
        starts.clear()
        forms = {**forms, "fc1": _moved(forms["fc1"], random)}
    first, second = network.first_use["conv1"], network.first_use["fc1"]
    assert ran == [[0, first], [first, second], [second]]


def test_what_is_kept_follows_what_is_moved() -> None:
    model, random = loaded("lenet-5/mnist"), np.random.default_rng(0)
    evaluator = Evaluator(model, _images(1, 28, 28), IMAGES)
    forms = _originals(model)
    evaluator.load(forms)
    network = evaluator._way.network
    for name in ("fc1", "fc1", "fc2", "fc2", "conv2", "conv2"):
        forms = {**forms, name: _moved(forms[name], random)}
        evaluator.load(forms)
        for batch in range(3):
            evaluator.answers(batch)
        assert evaluator.nbytes == 3 * evaluator.batch * network.sizes[network.first_use[name]]


def test_the_first_images_are_kept_where_memory_is_short() -> None:
    model, random = loaded("lenet-5/mnist"), np.random.default_rng(0)
    forms = _originals(model)
    wide = Evaluator(model, _images(1, 28, 28), IMAGES)
    wide.load(forms)
    network = wide._way.network
    two = 2 * wide.batch * network.sizes[network.first_use["fc1"]]
    evaluator = Evaluator(model, _images(1, 28, 28), IMAGES, budget=two)
    evaluator.load(forms)
    evaluator.load({**forms, "fc1": _moved(forms["fc1"], random)})
    for batch in range(3):
        evaluator.answers(batch)
    assert evaluator.nbytes == two
    assert sorted(evaluator._kept) == [0, 1]


class _InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        z = self.b(y)
        y.add_(1)
        return self.c(y * z)


class _Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x) if x.sum() > 0 else x)


class _Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 3), nn.Linear(3 * 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        return self.b(y.view(y.size(0), -1))


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


@pytest.mark.parametrize(
    ("module", "shape", "in_parts"),
    [(_InPlace(), (4,), True), (_Branching(), (4,), False), (_Views(), (2, 6, 6), True), (_Tied(), (4,), True)],
)
def test_a_module_of_the_users_own_gives_its_own_scores(
    module: nn.Module, shape: tuple[int, ...], in_parts: bool
) -> None:
    model = Model.from_module(module, torch.rand(1, *shape))
    evaluator, random = Evaluator(model, _images(*shape), IMAGES), np.random.default_rng(0)
    assert isinstance(evaluator._ways[-1].network, TorchNetwork) == in_parts
    forms = _originals(model)
    for name in [layer.name for layer in model.layers] * 2:
        forms = {**forms, name: _moved(forms[name], random)}
        evaluator.load(forms)
        with torch.no_grad():
            expected = workbench.compress(model, workbench.Recipe())
            expected = replace(expected, forms=forms).to_torch()(_inputs(*shape)).numpy()
        for batch, scores in enumerate(_scores(evaluator)):
            wanted = expected[batch * evaluator.batch : (batch + 1) * evaluator.batch]
            np.testing.assert_allclose(scores[: len(wanted)], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "shape", "sentence"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Flatten(0)), (4,), r"one row of class scores an image; for 100 .* \(300,\)"),
        (nn.Sequential(nn.Linear(4, 3), nn.LSTM(3, 3)), (4,), r"one row of class scores an image; for 100 .* tuple"),
    ],
)
def test_a_network_that_gives_no_class_scores_is_a_sentence(
    module: nn.Module, shape: tuple[int, ...], sentence: str
) -> None:
    model = Model.from_module(module, torch.rand(1, *shape))
    evaluator = Evaluator(model, _images(*shape), IMAGES)
    evaluator.load(_originals(model))
    with pytest.raises(ModelError, match=sentence):
        evaluator.answers(0)


def test_images_of_another_shape_are_a_sentence() -> None:
    model = Model.from_module(nn.Linear(5, 3), torch.rand(1, 5))
    evaluator = Evaluator(model, _images(4), IMAGES)
    evaluator.load(_originals(model))
    with pytest.raises(ModelError, match=r"cannot run on images of shape \(4,\): .*shapes"):
        evaluator.answers(0)


def test_the_model_is_left_alone() -> None:
    model, random = loaded("lenet-5/mnist"), np.random.default_rng(0)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    evaluator = Evaluator(model, _images(1, 28, 28), IMAGES)
    evaluator.load({name: _moved(form, random) for name, form in _originals(model).items()})
    evaluator.answers(0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


def test_zeros_are_left_out_where_there_are_many() -> None:
    model, random = loaded("resnet-8/fashion-mnist"), np.random.default_rng(0)
    evaluator = Evaluator(model, _images(1, 28, 28), IMAGES)
    for density, expected in ((1.0, TorchNetwork), (0.3, LaneNetwork), (0.9, TorchNetwork), (0.1, LaneNetwork)):
        evaluator.load({name: _moved(form, random, density) for name, form in _originals(model).items()})
        evaluator.answers(0)
        assert type(evaluator._way.network) is expected
        assert evaluator.nbytes == evaluator.batch * evaluator._way.network.sizes[evaluator._way.cut]
