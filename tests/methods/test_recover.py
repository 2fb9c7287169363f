"""Recovery that needs no training: batch norms, biases and least squares beside plain torch and numpy."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import RecipeError
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.methods.recover.batch_norm import BatchNorm
from workbench.methods.recover.bias_correction import BiasCorrection
from workbench.methods.recover.least_squares import LeastSquares, refitted
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.train.loop import accuracy

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2, bias=False),
        nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip
    images, labels = RNG.random((80, 2, 6, 6), np.float32), np.arange(80) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    module.train()
    for _ in range(20):
        module(torch.from_numpy(images))
    return Model.from_module(module.eval(), torch.zeros(1, 2, 6, 6), data)


def images(model: Model) -> torch.Tensor:
    return model.data.split("calibration").inputs()


def leaving(module: nn.Module, path: str, x: torch.Tensor) -> torch.Tensor:
    found: list[torch.Tensor] = []
    module.get_submodule(path).register_forward_hook(lambda _, x, y: found.append(y))
    with torch.inference_mode():
        module(x)
    return found[0].double()


def test_batch_norms_are_those_that_torch_measures_in_one_pass(model):
    """As `torch.optim.swa_utils.update_bn`."""
    cut = compress(model, Recipe((Step(Magnitude(0.6)),)))
    plain = State(cut.model, cut.forms).module()
    torch.optim.swa_utils.update_bn([images(model)], plain)
    found = compress(model, Recipe((Step(Magnitude(0.6)), Step(BatchNorm())))).model.rest
    for name in ("1.running_mean", "1.running_var", "4.running_mean", "4.running_var"):
        np.testing.assert_allclose(found[name], plain.state_dict()[name].numpy(), rtol=1e-5, atol=1e-6)


def test_batch_norms_of_features_are_measured_of_any_number_of_images():
    """101 in batches of 100: there is no variance of the one that is left."""
    random = np.random.default_rng(0)
    points, labels = random.normal(2, 3, (101, 6)).astype(np.float32), np.arange(101) % 3
    data = Dataset.from_arrays("points", test=(points, labels), calibration=(points, labels))
    module = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
    plain = Model.from_module(module.eval(), torch.zeros(1, 6), data)
    found = compress(plain, Recipe((Step(BatchNorm()),))).model.rest
    with torch.inference_mode():
        expected = module[0](torch.from_numpy(points)).mean(0)
    np.testing.assert_allclose(found["1.running_mean"], expected.numpy(), rtol=1e-5, atol=1e-5)


def test_batch_norms_of_a_network_that_did_not_change_stay_where_they_were():
    """Measured on training images, they are found again on others, but for what a sample differs by."""
    model = workbench.load("resnet-8/fashion-mnist")
    found = compress(model, Recipe((Step(BatchNorm()),)))
    for name, values in model.rest.items():
        if name.endswith("running_mean"):
            spread = np.sqrt(model.rest[name.replace("mean", "var")])
            assert np.abs((found.model.rest[name] - values) / spread).max() < 0.2


def test_every_output_has_its_mean_again(model):
    recipe = (Step(L1Filter(0.0)), Step(Uniform(bits=2)), Step(BiasCorrection()))
    found = compress(model, Recipe(recipe))
    module = State(found.model, found.forms).module()
    for path in ("0", "7", "9"):
        before, after = (leaving(one, path, images(model)) for one in (State.of(model).module(), module))
        rest = [axis for axis in range(before.ndim) if axis != 1]
        torch.testing.assert_close(after.mean(rest), before.mean(rest), rtol=1e-5, atol=1e-5)
    assert any(note.layer == "3" and "has no bias" in note.text for note in found.notes)


def test_channels_that_are_gone_stay_gone(model):
    """Their biases are not filled again, so that they leave the file and the counts as before."""
    cut = Recipe((Step(L1Filter(0.5)),))
    found = [compress(model, Recipe((*cut.steps, *more))) for more in ((), (Step(BatchNorm()), Step(BiasCorrection())))]
    tensors = [{name: size for name, size in one.size.by_layer.items() if name != "header"} for one in found]
    assert tensors[0] == tensors[1]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_rows_are_those_of_least_squares_on_the_weights_that_are_left(share):
    """Beside numpy's own, row by row, with the ridge as further equations."""
    x = RNG.normal(size=(400, 30)) @ RNG.normal(size=(30, 30))
    goal, mask = RNG.normal(size=(7, 30)), RNG.random((7, 30)) >= share
    before, moments, ridge = np.where(mask, goal, 0.0), x.T @ x / 400, 0.01
    found = refitted(before, goal, moments, ridge)
    weight = np.sqrt(ridge * np.trace(moments) / 30)
    for row, keep in enumerate(mask):
        equations = np.vstack([x[:, keep] / 20, weight * np.eye(keep.sum())])
        sums = np.concatenate([x @ goal[row] / 20, weight * before[row, keep]])
        np.testing.assert_allclose(found[row, keep], np.linalg.lstsq(equations, sums)[0], rtol=1e-5, atol=1e-7)
    assert not found[~mask].any()


def test_least_squares_bring_every_layer_nearer_to_what_it_gave(model):
    """On the inputs of the network as it came, for plain, grouped and linear layers; zeros stay."""
    cut, found = (
        compress(model, Recipe((Step(Magnitude(0.7, scope="layer")), *more))) for more in ((), (Step(LeastSquares()),))
    )
    evidence = Calibration(State.of(model), "original")
    for layer in ("0", "3", "7", "9"):
        moments, goal = evidence.moments(layer), evidence.weight(layer)
        errors = []
        for one in (cut, found):
            difference = (one.forms[layer].compose() - goal).reshape(len(moments), -1, moments.shape[-1])
            errors.append(np.einsum("gra,gab,grb->", difference, moments, difference))
        assert errors[1] < errors[0]
        assert (found.forms[layer].compose() == 0).sum() >= (cut.forms[layer].compose() == 0).sum()


def test_a_cut_network_answers_better_after_each_of_them():
    """On the trained networks that come along, by images that neither was calibrated on."""
    for name, share, step in (
        ("lenet-300-100/mnist", 0.92, LeastSquares()),
        ("resnet-8/fashion-mnist", 0.7, BatchNorm()),
        ("lenet-300-100/mnist", 0.9, BiasCorrection()),
    ):
        model, cut = workbench.load(name), Step(Magnitude(share))
        without, recovered = (
            accuracy(compress(model, Recipe(steps)).to_torch(), model.data.split("test").some(np.arange(500)))
            for steps in ((cut,), (cut, Step(step)))
        )
        assert recovered > without + 0.005, name


def test_what_cannot_be_recovered_says_why(model):
    for before, words in ((Uniform(bits=4), "few levels"), (SVD(0.5), "product of matrices")):
        with pytest.raises(RecipeError, match=words):
            compress(model, Recipe((Step(before), Step(LeastSquares(), layers=("7",)))))
    with pytest.raises(RecipeError, match="layer '9': it has no batch norm behind it"):
        compress(model, Recipe((Step(BatchNorm(), layers=("9",)),)))
