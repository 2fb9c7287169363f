"""Rounded activations: one grid in the simulated, the live, the packed and the stored network, and in the costs."""

import numpy as np
import pytest
import torch

import workbench
from tests.exporters.forging import sealed, taken_apart, with_sizes
from workbench.accuracy.examiner import Examiner
from workbench.accuracy.restart import Evaluator
from workbench.compression.compressed import CompressedModel, compress, read
from workbench.errors import FormatError
from workbench.evidence import Inputs
from workbench.kernels.binary.grids import GridConvolution, GridMatrix
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.activations import Activations
from workbench.methods.quantize.uniform import Uniform
from workbench.network.simulated import RoundedInput
from workbench.recipe import Recipe, Step
from workbench.weights.grouping import Grouping
from workbench.weights.levels.affine import Affine

IMAGES = 500


@pytest.fixture(scope="module")
def model() -> workbench.Model:
    return workbench.load("lenet-5/mnist")


@pytest.fixture(scope="module")
def rounded(model) -> CompressedModel:
    """Four bits in and four bits of weights, both ends included."""
    return compress(model, Recipe((Step(Activations(bits=4, ends="included")), Step(Uniform(bits=4)))))


def images(model, count: int = IMAGES) -> torch.Tensor:
    return model.data.split("test").inputs(slice(count))


def by_torch(compressed: CompressedModel, x: torch.Tensor) -> torch.Tensor:
    """The decoded weights behind torch's own fake quantisation."""
    plain = CompressedModel(compressed.model, {n: form.with_entering(None) for n, form in compressed.forms.items()})
    module = plain.to_torch()
    for name, form in compressed.forms.items():
        levels = form.entering
        if levels is not None:
            scale, point, highest = float(levels.scale[0]), int(levels.zero_point[0]), 2**levels.bits - 1
            module.get_submodule(name).register_forward_pre_hook(
                lambda _, x, s=scale, p=point, h=highest: (torch.fake_quantize_per_tensor_affine(x[0], s, p, 0, h),)
            )
    with torch.inference_mode():
        return module(x)


def test_the_simulated_network_rounds_as_torch_does(model, rounded):
    x = images(model)
    found, expected = rounded.to_torch()(x), by_torch(rounded, x)
    assert (found.argmax(1) == expected.argmax(1)).float().mean() > 0.998  # a sum at half a step may go either way
    assert (found - expected).abs().median() < 1e-4 * expected.abs().max()
    assert all(form.entering.bits == 4 for form in rounded.forms.values())


def test_the_packed_network_gives_the_same_answers(model, rounded):
    x = images(model)
    simulated, packed = rounded.to_torch()(x), rounded.packed()(x)
    assert (simulated.argmax(1) == packed.argmax(1)).float().mean() > 0.998
    assert (simulated - packed).abs().median() < 1e-4 * simulated.abs().max()


def test_accuracy_is_counted_on_rounded_inputs(rounded):
    *_, standing = Examiner().accuracies(rounded, IMAGES)
    chosen = rounded.model.data.split("test")
    with torch.inference_mode():
        answers = rounded.to_torch()(chosen.inputs()).argmax(1)
    whole = float((answers == chosen.targets()).float().mean())
    *_, everything = Examiner().accuracies(rounded)
    assert abs(everything.compressed.value - whole) <= 2e-4
    assert standing.compressed.images == IMAGES


def test_a_restart_takes_changed_inputs_into_account(model):
    wide = Step(Activations(bits=8))
    one = Step(Activations(bits=8), None, {"fc1": {"bits": 2}})
    examiner = Examiner()
    for steps in ((wide,), (one,), (wide,), ()):
        compressed = compress(model, Recipe(steps))
        *_, kept = examiner.accuracies(compressed, 1000)
        *_, fresh = Examiner(budget=0).accuracies(compressed, 1000)
        assert kept.compressed == fresh.compressed
    answers = [compress(model, Recipe((step,))).to_torch()(images(model)) for step in (wide, one)]
    assert not torch.equal(*answers)


def test_the_file_holds_the_grids_and_its_size_is_known(rounded, tmp_path):
    path = rounded.save(tmp_path / "net.cwb")
    assert path.stat().st_size == rounded.size.value
    assert rounded.size.by_part["scales"] == 4 * (20 + 50 + 500 + 10) + 4 * (4 + 1)  # weights, then inputs with points
    back = workbench.read(path)
    x = images(rounded.model, 50)
    assert torch.equal(back.to_torch()(x), rounded.to_torch()(x))
    assert back.save(tmp_path / "again.cwb").read_bytes() == path.read_bytes()


def test_both_widths_are_in_the_bit_operations_and_lower_the_energy(model, rounded):
    report, weights_only = workbench.assess(rounded, images=100), workbench.assess(
        compress(model, Recipe((Step(Uniform(bits=4)),))), images=100
    )  # fmt: skip
    assert report.compressed.bit_operations.value == report.compressed.effective_macs * 4 * 4
    assert report.compressed.energy.value < weights_only.compressed.energy.value
    assert {(row.bits, row.input_bits) for row in report.layers} == {(4, 4)}


def test_eight_bits_cost_nothing_and_two_cost_a_lot(model):
    values = {}
    for bits in (8, 2):
        *_, standing = Examiner().accuracies(compress(model, Recipe((Step(Activations(bits=bits)),))), 2000)
        values[bits] = standing.compressed.value
        original = standing.original.value
    assert abs(values[8] - original) <= 0.003
    assert values[2] < values[8]


def test_later_steps_keep_the_levels_of_the_inputs_and_the_ends_are_spared(model):
    steps = (Step(Activations(bits=3)), Step(SVD(rank=0.5)), Step(Magnitude(sparsity=0.5)), Step(Uniform(bits=4)))
    compressed = compress(model, Recipe(steps))
    bits = {name: form.entering_bits for name, form in compressed.forms.items()}
    assert bits == {"conv1": 32, "conv2": 3, "fc1": 3, "fc2": 32}
    assert any("whose inputs stay float32" in note.text for note in compressed.notes)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_least_error_is_no_larger_than_that_of_either_range(bits):
    values = np.abs(np.random.default_rng(0).standard_t(3, 20_000))
    counts, edges = np.histogram(values, 2048, (0, values.max()))
    inputs = Inputs(0.0, float(values.max()), edges, counts.astype(float), np.ones(1))

    def error(chosen: str) -> float:
        low, high = Activations(bits=bits, range=chosen)._range(inputs)
        scale = (high - low) / (2**bits - 1)
        levels = np.clip(np.rint(values / scale), 0, 2**bits - 1) * scale
        return float(((levels - values) ** 2).sum())

    assert error("least-error") <= min(error("percentile"), error("min-max")) * 1.01


def test_both_ends_of_signed_inputs_are_drawn_in_apart():
    """One outlier above must not coarsen what lies below."""
    values = np.concatenate([np.random.default_rng(0).uniform(-1, 1, 20_000), [20.0]])
    counts, edges = np.histogram(values, 2048)
    inputs = Inputs(values.min(), values.max(), edges, counts.astype(float), np.ones(1))
    low, high = Activations(bits=3)._range(inputs)
    assert -1.1 < low < -0.7 and 0.7 < high < 1.3


def grid(bits: int = 4) -> Affine:
    return Affine(bits, Grouping("tensor"), np.full(1, 0.2, np.float32), np.full(1, 3, np.float32), symmetric=False)


class Tied(torch.nn.Module):
    """One weight in two layers."""

    def __init__(self):
        super().__init__()
        self.c, self.again = torch.nn.Linear(12, 12), torch.nn.Linear(12, 12)
        self.again.weight = self.c.weight

    def forward(self, x):
        return self.again(torch.relu(self.c(x)))


def test_modules_that_share_a_weight_round_their_inputs_alike(tmp_path):
    """Live as simulated, there and back again, and read from the file."""
    model = workbench.Model.from_module(Tied(), torch.zeros(1, 12), name="tied")
    x = torch.rand(100, 12, generator=torch.Generator().manual_seed(0))
    evaluator = Evaluator(model, lambda start, stop: x[start:stop], len(x))
    original = {layer.name: layer.form for layer in model.layers}
    rounding = {"c": original["c"].with_entering(grid())}
    seen = []
    for forms in (original, rounding, original):
        evaluator.load(forms)
        with torch.inference_mode():
            seen.append(evaluator._scores(0)[: len(x)])
            torch.testing.assert_close(seen[-1], CompressedModel(model, forms).to_torch()(x), rtol=0, atol=1e-5)
    assert not torch.allclose(seen[0], seen[1], atol=1e-3)
    content = CompressedModel(model, rounding).save(tmp_path / "tied.cwb")
    back = read(content, Tied())
    assert torch.equal(back.to_torch()(x), CompressedModel(model, rounding).to_torch()(x))

    header, arrays = taken_apart(content.read_bytes())
    header["layers"][0]["input"]["granularity"] = "channel"
    content.write_bytes(sealed(with_sizes(header, arrays), arrays))
    with pytest.raises(FormatError, match="layer 'c': its input's numbers cannot be rounded to levels"):
        read(content, Tied())


def test_a_gradient_goes_through_the_rounding():
    x = torch.tensor([[0.27, -0.41, 9.0]], requires_grad=True)
    (found,) = RoundedInput(grid(), torch.nn.Identity())(None, (x,))
    torch.testing.assert_close(found, torch.tensor([[0.2, -0.4, 2.4]]))
    found.sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0, 1.0]]


def test_images_keep_their_layout():
    x = torch.rand(2, 3, 5, 7).contiguous(memory_format=torch.channels_last)
    rounds = RoundedInput(grid(), torch.nn.Identity())
    (last,), (first,) = rounds(None, (x,)), rounds(None, (x.contiguous(),))
    assert last.is_contiguous(memory_format=torch.channels_last) and torch.equal(last, first)


@pytest.mark.parametrize("weights", [Uniform(bits=1), Uniform(bits=2), Uniform(bits=2, per="tensor", symmetric="no")])
@pytest.mark.parametrize("inputs", [1, 2])
def test_few_bits_on_both_sides_are_multiplied_as_whole_numbers(weights, inputs, tmp_path):
    """Packed = simulated to the rounding of exact sums; the packed layers round and multiply in one."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(64, 64, 3, stride=2, padding=1), torch.nn.Flatten(), torch.nn.Linear(1600, 640)
    )
    x = torch.randn(6, 64, 9, 9)
    model = workbench.Model.from_module(module, x, name="few bits")
    compressed = compress(model, Recipe((Step(weights),)))
    entering = Affine(
        inputs, Grouping("tensor"), np.full(1, 0.7, np.float32), np.full(1, 1, np.float32), symmetric=False
    )
    for name, kind in (("0", GridConvolution), ("2", GridMatrix)):  # both at once may fall on two sides of half a step
        forms = {**compressed.forms, name: compressed.forms[name].with_entering(entering)}
        rounding = CompressedModel(model, forms)
        packed = rounding.packed()
        assert isinstance(packed.get_submodule(name).kernel, kind)
        simulated = rounding.to_torch()(x)
        torch.testing.assert_close(packed(x), simulated, rtol=0, atol=1e-5 * float(simulated.abs().max()))
        back = read(rounding.save(tmp_path / "net.cwb"), module)
        assert torch.equal(back.packed()(x), packed(x))
