"""Optimal Brain Damage: curvature beside one image and class at a time, saliency beside what cutting a weight does."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import DataError, RecipeError
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.optimal_brain_damage import OptimalBrainDamage
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step

RNG = np.random.default_rng(0)


def noisy(module: nn.Module, *shape: int, classes: int = 3) -> Model:
    images, labels = RNG.random((9, *shape), np.float32), np.arange(9) % classes
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, *shape), data)


def naive(model: Model, parameter: str) -> np.ndarray:
    """The mean over images of Σ_c p_c · (∂ loss / ∂ w, were c the label)²: Gauss and Newton's diagonal, as Fisher's."""
    module, total = State.of(model).module(), 0.0
    weight = module.get_parameter(parameter).requires_grad_(True)
    images = model.data.split("calibration").inputs()
    for image in images:
        scores = module(image[None])
        for label, share in enumerate(scores[0].softmax(0).tolist()):
            loss = F.cross_entropy(scores, torch.tensor([label]))
            (slope,) = torch.autograd.grad(loss, weight, retain_graph=True)
            total = total + share * slope.double().square().numpy()
    return total / len(images)


class Twice(nn.Module):
    """A layer that is called twice, behind one that sees several positions."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.again, self.last = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(15, 3)

    def forward(self, x):
        return self.last(self.again(F.relu_(self.again(torch.tanh(self.rows(x))))).flatten(1))


def test_curvature_is_that_of_one_image_and_class_at_a_time():
    torch.manual_seed(0)
    convolutional = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, (3, 1), padding="same", groups=2, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3),
    )  # fmt: skip
    rows = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(28, 3))
    for model in (noisy(convolutional, 2, 8, 8), noisy(rows, 2, 7), noisy(Twice(), 3, 4)):
        evidence = Calibration(State.of(model), f"curvatures {model.layers[0].name}")
        for layer in model.layers:
            expected = layer.arrangement.weight(naive(model, layer.parameter))
            np.testing.assert_allclose(evidence.curvatures(layer.name), expected, rtol=1e-4, atol=1e-12)


def test_it_ranks_single_weights_more_like_cutting_each_than_their_magnitude_does():
    """Catalogue PR-02: 0.79 and 0.93 there, on another network, against 0.50 and 0.57 by magnitude.

    With the first-order term the change itself is told: a correlation of 0.98 to 0.99 there.
    """
    shipped = workbench.load("lenet-300-100/mnist")
    split = shipped.data.split("train")
    images, labels = split.images[:2000], split.labels[:2000]
    data = Dataset.from_arrays("2,000", test=(images, labels), calibration=(images, labels))
    model = Model.from_module(shipped.module, torch.zeros(1, 1, 28, 28), data)
    evidence = Calibration(State.of(model), "2,000")
    saliency = {name: evidence.curvatures(name) * model.layer(name).weight ** 2 for name in ("fc2", "fc3")}
    x, y = data.split("test").inputs(), data.split("test").targets()
    entering: dict[str, torch.Tensor] = {}
    for name in ("fc2", "fc3"):
        layer = model.module.get_submodule(name)
        layer.register_forward_pre_hook(lambda _, x, name=name: entering.update({name: x[0]}))
    learning = State.of(model).module().requires_grad_()
    F.cross_entropy(learning(x), y).backward()
    gradients = {name: learning.get_submodule(name).weight.grad.numpy() for name in ("fc2", "fc3")}
    with torch.inference_mode():
        loss = F.cross_entropy(model.module(x), y)
        second, third = (model.module.get_submodule(name) for name in ("fc2", "fc3"))
        sums = second(entering["fc2"])
        chosen = RNG.choice(30_000, 150, replace=False)

        def without(place: int) -> torch.Tensor:
            """The scores where one weight of the second layer is zero."""
            unit, column = divmod(int(place), 300)
            changed = sums.clone()
            changed[:, unit] -= second.weight[unit, column] * entering["fc2"][:, column]
            return third(F.relu(changed))

        scores = third(entering["fc3"])
        cut = {"fc2": [without(place) for place in chosen], "fc3": []}
        for unit in range(10):
            for column in range(100):
                changed = scores.clone()
                changed[:, unit] -= third.weight[unit, column] * entering["fc3"][:, column]
                cut["fc3"].append(changed)
        for name, at_least in (("fc2", 0.6), ("fc3", 0.72)):
            changes = np.array([float(F.cross_entropy(one, y) - loss) for one in cut[name]])
            rises = np.abs(changes)
            weights = model.layer(name).weight.ravel()
            saliencies, slopes = saliency[name].ravel(), gradients[name].ravel()
            if name == "fc2":
                weights, saliencies, slopes = weights[chosen], saliencies[chosen], slopes[chosen]
            second_order = saliencies / 2 - slopes * weights  # s = ½ h w² and, off the minimum, −g w
            assert pearsonr(second_order, changes).statistic > 0.95
            assert spearmanr(saliencies, rises).statistic > max(at_least, spearmanr(np.abs(weights), rises).statistic)


def test_weights_that_no_image_reaches_go_first_and_change_nothing():
    torch.manual_seed(0)
    model = noisy(nn.Sequential(nn.Flatten(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)), 20)
    images = model.data.split("calibration").images.copy()
    images[:, 5:15] = 0  # as the border of MNIST is
    data = Dataset.from_arrays("bordered", test=(images, np.arange(9) % 3), calibration=(images, np.arange(9) % 3))
    model = Model.from_module(model.module, torch.zeros(1, 20), data)
    curvature = Calibration(State.of(model), "bordered").curvatures("1")
    assert not curvature[:, 5:15].any()
    compressed = compress(model, Recipe((Step(OptimalBrainDamage(sparsity=80 / 184)),)))
    gone = compressed.forms["1"].compose() == 0
    assert gone.sum() == 80 and not curvature[gone].any()
    x = data.split("calibration").inputs()
    torch.testing.assert_close(compressed.to_torch()(x), model.module(x), rtol=0, atol=0)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_exactly_the_least_salient_go(scope):
    torch.manual_seed(0)
    model = noisy(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)), 20)
    evidence = Calibration(State.of(model), f"least {scope}")
    salient = {layer.name: evidence.curvatures(layer.name) * layer.weight**2 for layer in model.layers}
    forms = compress(model, Recipe((Step(OptimalBrainDamage(sparsity=0.6, scope=scope)),))).forms
    for names in (salient,) if scope == "global" else tuple({name: one} for name, one in salient.items()):
        saliencies = np.concatenate([salient[name].ravel() for name in names])
        gone = np.concatenate([forms[name].compose().ravel() == 0 for name in names])
        assert gone.sum() == round(0.6 * gone.size)
        assert saliencies[gone].max() <= saliencies[~gone].min()


def test_what_has_no_curvature_is_said():
    torch.manual_seed(0)
    model = noisy(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3)), 20)
    step = Step(OptimalBrainDamage(sparsity=0.5), ("0",))
    with pytest.raises(RecipeError, match="'0'.* product of matrices"):
        compress(model, Recipe((Step(SVD(rank=0.3), ("0",)), step)))
    images = RNG.random((9, 20), np.float32)
    sizes = images, images[:, :1]
    data = Dataset.from_arrays("sizes", test=sizes, calibration=sizes, task="regression")
    sized = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 1))
    with pytest.raises(DataError, match="no scores of classes"):
        compress(Model.from_module(sized, torch.zeros(1, 20), data), Recipe((Step(OptimalBrainDamage(sparsity=0.5)),)))
