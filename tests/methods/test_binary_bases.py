"""ABC-Net, the binarised neural network, and the binary-weight network: identities, kernels and what training gives."""

import numpy as np
import pytest
import torch
from scipy import stats

import workbench
from tests.clouds import perceptron, signed
from tests.digits import perceptron as on_digits
from tests.digits import reached
from workbench.compression.compressed import CompressedModel, compress
from workbench.engine.training import train
from workbench.kernels.binary.bases import SummedSigns
from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.methods.binarize._bases import codes_of, scales_of, shares
from workbench.methods.binarize.abc_net import AbcNet
from workbench.methods.binarize.bases import Bases
from workbench.methods.binarize.binarised_network import BinarisedNetwork
from workbench.methods.quantize.aware import QuantisationAware
from workbench.methods.quantize.uniform import Uniform
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy
from workbench.weights.form import Form
from workbench.weights.levels.binary_bases import BinaryBases
from workbench.weights.levels.shifted_signs import ShiftedSigns
from workbench.weights.levels.signs import Signs as SignLevels

WEIGHT = np.random.default_rng(0).normal(0.01, 0.3, (12, 20)).astype(np.float32)


def stored_and_packed(found: CompressedModel, tmp_path) -> torch.nn.Module:
    """Simulated, packed and read back give the same scores; what is given is the packed network."""
    x = found.model.data.split("test").inputs(slice(60))
    packed = found.packed()
    path = found.save(tmp_path / "net.cwb")
    assert path.stat().st_size == found.size.value
    with torch.inference_mode():
        simulated = found.to_torch()(x)
        off = (packed(x) - simulated).abs().amax(1) / simulated.abs().max()
        assert (off < 2e-5).float().mean() >= 0.95  # a sum next to zero may fall on either side
        back = workbench.read(path, found.original.module, found.model.data)
        assert torch.equal(back.to_torch()(x), simulated)
    return packed


def test_the_scale_of_the_binary_weight_network_is_the_best_there_is():
    """α = mean |W| of a filter minimises |W − α sign W|², beside a fine search around it."""
    found = Uniform(bits=1, per="channel").compress(Form.of(WEIGHT), None).compose()
    for row, made in zip(WEIGHT.astype(np.float64), found, strict=True):
        assert np.array_equal(made > 0, row >= 0)
        alphas = np.abs(row).mean() * np.linspace(0.5, 1.5, 1001)
        errors = ((row - alphas[:, None] * np.sign(row)) ** 2).sum(1)
        assert errors.argmin() == 500 and np.abs(made).max() == pytest.approx(np.abs(row).mean(), rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_bases_are_shifted_signs_and_scales_solve_the_normal_equations(count):
    codes = codes_of(WEIGHT, count)
    alphas = scales_of(WEIGHT, codes, count).astype(np.float64)
    mean, spread, flat = WEIGHT.mean(dtype=np.float64), WEIGHT.std(dtype=np.float64), WEIGHT.reshape(-1)
    bases = np.stack([np.where(flat - mean + share * spread >= 0, 1.0, -1.0) for share in shares(count)], 1)
    np.testing.assert_array_equal(BinaryBases(alphas.astype(np.float32)).signs(codes).reshape(-1, count), bases)
    np.testing.assert_allclose(bases.T @ (flat - bases @ alphas), 0, atol=1e-3)
    found = Bases(bases=count).compress(Form.of(WEIGHT), None)
    np.testing.assert_allclose(found.compose().reshape(-1), bases @ alphas, atol=1e-6)
    assert found.parts[0].bits == count


def test_a_set_that_holds_another_errs_no_more():
    """u of one base are among those of three, and those among those of five."""
    errors = {
        count: float(((Bases(bases=count).compress(Form.of(WEIGHT), None).compose() - WEIGHT) ** 2).sum())
        for count in (1, 3, 5)
    }
    assert set(shares(1)) < set(shares(3)) < set(shares(5))
    assert errors[5] <= errors[3] <= errors[1]


def test_how_much_of_normal_weights_bases_leave():
    """Of one base 1 − 2/π of the square; of three what the means of (0, σ) and (σ, ∞), with their shares, leave."""
    weights = np.random.default_rng(0).normal(0, 0.2, (400, 500))
    means, share = stats.norm.expect(lb=0, ub=1, conditional=True), stats.norm.cdf(1) - 0.5
    beyond = stats.norm.expect(lb=1, conditional=True)
    expected = {1: 1 - 2 / np.pi, 3: 1 - 2 * (share * means**2 + (0.5 - share) * beyond**2)}
    for count, left in expected.items():
        apart = Bases(bases=count).compress(Form.of(weights), None).compose() - weights
        assert (apart**2).sum() / (weights**2).sum() == pytest.approx(left, rel=0.02)


@pytest.mark.parametrize(("bases", "activations"), [(1, 1), (3, 2), (5, 5)])
def test_an_input_of_binary_sums_is_multiplied_by_signs_alone(bases, activations):
    """The kernel of M · N products of signs beside plain products of the decoded values; matrices and convolutions."""
    random = np.random.default_rng(1)
    levels = ShiftedSigns(*(random.normal(size=activations).astype(np.float32) for _ in range(2)))
    for shape, inputs in (((9, 40), (6, 40)), ((5, 7, 3, 3), (2, 7, 6, 5))):
        part = Bases(bases=bases).compress(Form.of(random.normal(size=shape)), None).parts[0]
        use = None
        if len(shape) == 4:
            from workbench.weights.encoding import Convolution

            use = Convolution((1, 1), (1, 1), (1, 1), 1)
        kernel = levels.multiplied(part.levels, part.codes, shape, use)
        assert isinstance(kernel, SummedSigns) and len(kernel.products) == bases
        x, bias = random.normal(size=inputs).astype(np.float32), random.normal(size=shape[0]).astype(np.float32)
        entered = torch.from_numpy(levels.entered(x.reshape(len(x), -1)).reshape(x.shape))
        weight = torch.from_numpy(part.values)
        product = torch.nn.functional.linear if use is None else torch.nn.functional.conv2d
        given = {} if use is None else {"padding": 1}
        expected = product(entered, weight, torch.from_numpy(bias), **given).numpy()
        np.testing.assert_allclose(kernel.multiply(x, bias), expected, atol=1e-4 * np.abs(expected).max())


def test_an_activation_is_the_sign_of_the_clipped_sum():
    """A = sign(clip(x + v, 0, 1) − ½), so that one threshold a term is all there is to it."""
    x, v = np.linspace(-2, 2, 801, dtype=np.float32), np.array([0.3, -0.5], np.float32)
    beta = np.array([0.7, 0.2], np.float32)
    levels = ShiftedSigns(v - np.float32(0.5), beta)
    expected = sum(b * np.where(np.clip(x + shift, 0, 1) >= 0.5, 1, -1) for shift, b in zip(v, beta, strict=True))
    assert (np.abs(levels.entered(x[None])[0] - expected) < 1e-6).mean() > 0.99  # just at a threshold float32 decides


def test_abc_net_trains_its_thresholds_and_runs_on_signs(tmp_path):
    model, store = perceptron(), Store(tmp_path / "results")
    recipe = Recipe((Step(AbcNet(bases=2, activations=2, epochs=5), ("4",)),))
    preview, found = compress(model, recipe, store=store), train(model, recipe, store)
    form = found.forms["4"]
    assert preview.previews == ("ABC-Net",) and found.faithful
    assert (
        form.parts[0].levels.kind == "binary-bases"
        and form.entering.kind == "shifted-signs"
        and form.entering.bits == 2
    )
    assert np.unique(form.entering.betas).size == 2  # they began alike, and were learned
    packed = stored_and_packed(found, tmp_path)
    assert isinstance(packed.get_submodule("4").kernel, SummedSigns)
    assert accuracy(found.to_torch(), model.data.split("test")) > 0.8


def test_gradients_pass_signs_up_to_one():
    x = np.array([[0.2, -1.0, 1.5, -3.0]], np.float32)
    assert SignLevels(by_window=False, reach=1.0).passing(x).tolist() == [[True, True, False, False]]
    assert SignLevels(by_window=False, reach=float("inf")).passing(x).all()


def test_a_binarised_network_holds_signs_alone_and_runs_on_popcounts(tmp_path):
    model, store = signed(), Store(tmp_path / "results")
    recipe = Recipe((Step(BinarisedNetwork(epochs=6)),))
    preview, found = compress(model, recipe, store=store), train(model, recipe, store)
    assert preview.previews == ("Binarised neural network",) and found.faithful
    for name, form in found.forms.items():
        assert set(np.unique(form.compose()).tolist()) == {-1.0, 1.0}
        assert (form.entering is None) == (name == "1")
    packed = stored_and_packed(found, tmp_path)
    kernels = [packed.get_submodule(name).kernel for name in ("3", "6", "8")]
    assert isinstance(kernels[0], SignConvolution) and all(isinstance(one, SignMatrix) for one in kernels[1:])
    assert accuracy(found.to_torch(), model.data.split("test")) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_lenet_300_100_as_sums_of_bases(count, record_property):
    """BT-07, untrained: 71.2, 84.5, 95.2, 95.9 and 96.9 % were measured on another LeNet-300-100."""
    model = workbench.load("lenet-300-100/mnist")
    found = compress(model, Recipe((Step(Bases(bases=count)),)))
    record_property(f"BT-07, M = {count}", f"{accuracy(found.to_torch(), model.data.split('test')):.2%}")
    assert found.forms["fc1"].parts[0].bits == count


@pytest.mark.slow
def test_binary_weights_a_filter_at_a_time(tmp_path, record_property):
    """BT-05: 71.4 % untrained a filter and 69.5 % a tensor; 97.75 % after three epochs of 60,000 images; here 9,000."""
    model = workbench.load("lenet-300-100/mnist")
    test = model.data.split("test")
    for per in ("channel", "tensor"):
        cut = compress(model, Recipe((Step(Uniform(bits=1, per=per)),)))
        record_property(f"BT-05, a scale a {per}", f"{accuracy(cut.to_torch(), test):.2%}")
    trained = train(model, Recipe((Step(QuantisationAware(bits=1, epochs=8)),)), Store(tmp_path / "results"))
    record_property("trained", f"{accuracy(trained.to_torch(), test):.2%}")
    assert accuracy(trained.to_torch(), test) > 0.95


@pytest.mark.slow
def test_signs_alone_on_digits(record_property):
    """BT-04: 3 x 512 units, at least 96 % on all of MNIST by estimate; here on 9,000 images."""
    state = on_digits(512, 512, 512, norm=True, relu=False)
    found = {through: reached(state, BinarisedNetwork(through=through, epochs=6)) for through in ("clipped", "open")}
    for through, score in found.items():
        record_property(f"BT-04, gradients {through}", f"{score:.2%}")
    assert found["clipped"] > 0.9
