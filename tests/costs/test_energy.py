"""Modelled energy: a whole network by hand, the scaling laws, and the order of the three scenarios."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import CompressedModel, compress
from workbench.costs.effective_macs import EffectiveMacs
from workbench.costs.energy import BESIDE_LAYERS, BETWEEN_LAYERS, Energy
from workbench.costs.macs import Macs
from workbench.devices.device import Device
from workbench.models import zoo
from workbench.models.architectures.resnet_8 import Block
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.figures import Figure
from workbench.weights.form import Form
from workbench.weights.grouping import Grouping
from workbench.weights.levels import Levels
from workbench.weights.levels.affine import Affine
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.levels.powers_per_filter import PowersPerFilter
from workbench.weights.levels.signs import Signs
from workbench.weights.part import Part

CHIP = Device.load("horowitz-45nm")
BOARDS = [Device.load(name) for name in ("cortex-m4-l4r5", "cortex-m7-h7a3", "cortex-m33-u575")]
PJ = 1e-12


@pytest.fixture(scope="module")
def lenet_5() -> Model:
    return Model.from_module(zoo.build("lenet-5"), torch.zeros(1, 1, 28, 28))


@pytest.fixture(scope="module")
def small() -> Model:
    module = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 8 * 8, 10, bias=False))
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return Model.from_module(module, torch.zeros(1, 2, 8, 8))


def without_zeros(bits: int) -> CompressedModel:
    """A linear layer 64 -> 32 whose weights all have the code 1."""
    model = Model.from_module(nn.Sequential(nn.Linear(64, 32, bias=False)), torch.zeros(1, 64))
    levels = Affine(bits, Grouping("tensor"), np.ones(1, np.float32), np.zeros(1, np.float32), symmetric=False)
    codes = np.ones((32, 64), np.uint8)
    part = Part.of(codes) if bits == 32 else Part.on_levels(levels, codes, codes == 0)
    return CompressedModel(model, {"0": Form.whole(part)})


def test_lenet_5_in_float32_equals_the_sum_by_hand(lenet_5: Model) -> None:
    """All prices per float32, which is half an access of 64 bits: 8 KiB 5 pJ, 32 KiB 10, 1 MiB 50, DRAM 650 to 1300.

    Stored bytes, inputs and outputs: conv1 4 (500 + 784 + 11520) and conv2 4 (25000 + 2880 + 3200) fit 1 MiB, fc1
    4 (400000 + 800 + 500) is above it and uses it, fc2 4 (5000 + 500 + 10) fits 32 KiB.
    """
    modelled = Energy.of(compress(lenet_5, Recipe()), CHIP)

    macs = 20 * 24 * 24 * 25 + 50 * 8 * 8 * 20 * 25 + 500 * 800 + 10 * 500
    assert macs == 2_293_000
    arithmetic = macs * (3.7 + 0.9)
    once = {
        "conv1": 500 + 1 * 28 * 28 + 20 * 24 * 24,
        "conv2": 25_000 + 20 * 12 * 12 + 50 * 8 * 8,
        "fc1": 400_000 + 800 + 500,
        "fc2": 5_000 + 500 + 10,
    }
    reads = {  # weights once per output position, an activation per MAC, outputs once
        "conv1": 500 * 24 * 24 + 288_000 + 20 * 24 * 24,
        "conv2": 25_000 * 8 * 8 + 1_600_000 + 50 * 8 * 8,
        "fc1": 400_000 * 1 + 400_000 + 500,
        "fc2": 5_000 * 1 + 5_000 + 10,
    }
    sram = {"conv1": 50, "conv2": 50, "fc1": 50, "fc2": 10}
    buffered = sum(once[name] * sram[name] + reads[name] * 5 for name in ("conv1", "conv2", "fc1"))
    on_chip = buffered + reads["fc2"] * 10  # 100,100 pJ without the buffer, 105,150 with it
    stored = 430_500 + 580 + 2  # weights, biases, mean and deviation of the images
    assert modelled.split["arithmetic"] == pytest.approx(arithmetic * PJ, rel=1e-12)
    assert modelled.split["on_chip"] == pytest.approx(on_chip * PJ, rel=1e-12)
    assert modelled.split["dram"] == pytest.approx(stored * 975 * PJ, rel=1e-12)
    assert modelled.value == pytest.approx((arithmetic + on_chip + stored * 975) * PJ, rel=1e-12)

    everything_reused = sum(once[name] * sram[name] for name in once)  # 1.7 MB of weights do not stay on chip
    assert modelled.low == pytest.approx((macs * (3.1 + 0.1) + everything_reused + stored * 650) * PJ, rel=1e-12)
    nothing_reused = sum(reads[name] * sram[name] for name in reads)
    assert modelled.high == pytest.approx((arithmetic + nothing_reused + stored * 1300) * PJ, rel=1e-12)


def test_multiplications_scale_with_the_width_additions_do_not() -> None:
    """Activations and the accumulator stay 32 bits wide, so only the weight's width moves: 32, 8, 4, 2, 1."""
    macs = 32 * 64
    for bits in (32, 8, 4, 2, 1):
        found = Energy.of(without_zeros(bits), CHIP).split["arithmetic"]
        assert found == pytest.approx(macs * (3.7 * (bits * 32) / (32 * 32) + 0.9) * PJ, rel=1e-12)


def on(levels: Levels, entering: Levels | None = None) -> CompressedModel:
    """A linear layer 64 -> 32 without a zero on these levels."""
    model = Model.from_module(nn.Sequential(nn.Linear(64, 32, bias=False)), torch.zeros(1, 64))
    weight = np.random.default_rng(0).uniform(0.3, 1, (32, 64)).astype(np.float32)
    form = Form.whole(Part.of(weight * np.sign(weight - 0.6)).rounded(levels)).with_entering(entering)
    return CompressedModel(model, {"0": form})


def test_a_sum_of_powers_of_two_is_charged_as_shifts_and_additions() -> None:
    """k shifts of 32 bits and k - 1 additions beside the accumulator's, no multiplication: 0.13 pJ, 0.1 or 0.9."""
    macs = 32 * 64
    for terms in (1, 2, 3):
        found = Energy.of(on(PowersOfTwo(terms, 0)), CHIP)
        assert found.split["arithmetic"] == pytest.approx(macs * (terms * 0.13 + terms * 0.9) * PJ, rel=1e-12)
    filters = PowersPerFilter((32, 64), np.arange(32, dtype=np.uint8) % 3 + 1, 0)
    mean = float(filters.terms.mean())
    assert Energy.of(on(filters), CHIP).split["arithmetic"] == pytest.approx(macs * mean * (0.13 + 0.9) * PJ, rel=1e-12)


def test_shifts_give_the_products_of_float() -> None:
    """Whole inputs shifted left by each term's exponent above the lowest, added up, beside float products."""
    levels = PowersOfTwo(2, 0)
    weight = np.random.default_rng(0).normal(0, 0.4, (9, 30)).astype(np.float32)
    part = Part.of(weight).rounded(levels)
    x = np.random.default_rng(1).integers(-128, 128, (5, 30))
    fields = part.codes.astype(np.int64)
    total = np.zeros((5, 9), np.int64)
    for term in range(2):
        field = (fields >> (5 * term)) & 31
        exponent, negative = 14 - (field - 1) // 2, (field - 1) % 2 == 1
        shifted = np.left_shift(x[:, None, :], np.where(field > 0, exponent, 0))
        total += np.where(field > 0, np.where(negative, -shifted, shifted), 0).sum(-1)
    np.testing.assert_array_equal(total * 2.0**-14, x @ part.values.astype(np.float64).T)


def test_signs_on_both_sides_are_counted_in_whole_numbers() -> None:
    """An XNOR as a multiplication of 1 x 1 bits, and an integer addition, on every machine."""
    levels = Affine(1, Grouping("tensor"), np.ones(1, np.float32), np.full(1, 0.5, np.float32), symmetric=True)
    found = Energy.of(on(levels, Signs(by_window=False)), CHIP)
    assert found.split["arithmetic"] == pytest.approx(32 * 64 * (3.1 / 1024 + 0.1) * PJ, rel=1e-12)
    one_side = Energy.of(on(levels), CHIP)
    assert one_side.split["arithmetic"] == pytest.approx(32 * 64 * (3.7 / 32 + 0.9) * PJ, rel=1e-12)


def test_dram_moves_the_stored_bits() -> None:
    for bits in (8, 4, 2, 1):
        compressed = without_zeros(bits)
        stored = sum(one.data.nbytes for one in compressed.encodings["0"].arrays())
        assert 32 * 64 * bits / 8 <= stored <= 32 * 64 * bits / 8 + 16  # the codes, a scale and a zero point
        assert Energy.of(compressed, CHIP).split["dram"] == pytest.approx(8 * stored * 1950 / 64 * PJ, rel=1e-12)


def test_indices_are_moved_too(lenet_5: Model) -> None:
    compressed = compress(lenet_5, Recipe.sliders(sparsity=0.9))
    stored = sum(one.data.nbytes for encoding in compressed.encodings.values() for one in encoding.arrays())
    values = 4 * sum(part.nonzeros for form in compressed.forms.values() for part in form.parts)
    assert stored > values
    dram = Energy.of(compressed, CHIP).split["dram"]
    assert dram == pytest.approx(8 * (stored + 4 * 582) * 1950 / 64 * PJ, rel=1e-12)


def test_weights_stay_on_chip_at_best_once_they_fit(lenet_5: Model) -> None:
    """1 MiB holds LeNet-5 at 8 bits (431 kB) and not in float32 (1.7 MB)."""
    small_enough = Energy.of(compress(lenet_5, Recipe.sliders(bits=8)), CHIP)
    assert small_enough.low < 430_500 * 8 * 1300 / 64 * PJ < small_enough.split["dram"]


def test_activations_larger_than_the_largest_memory_cross_dram() -> None:
    """A 1x1 convolution of 8 channels on 200 x 200: 8 * 40,000 floats in, as many out, together 2.56 MB."""
    model = Model.from_module(nn.Sequential(nn.Conv2d(8, 8, 1, bias=False)), torch.zeros(1, 8, 200, 200))
    modelled = Energy.of(compress(model, Recipe()), CHIP)
    floats = 64 + 8 * 40_000 + 8 * 40_000
    assert modelled.split["dram"] == pytest.approx(floats * 975 * PJ, rel=1e-12)


RECIPES = [
    Recipe.sliders(sparsity=sparsity, bits=bits, rank=rank)
    for sparsity, bits, rank in itertools.product((0.0, 0.5, 1.0), (1, 4, 32), (0.3, 1.0))
]
RECIPES.append(Recipe(Recipe.sliders(sparsity=0.99).steps, {"0": "dense", "3": "dense"}))  # zeros stored and skipped


@pytest.mark.parametrize("device", [CHIP, BOARDS[0]], ids=lambda device: device.name)
def test_low_value_high_are_in_order_and_parts_sum_up(small: Model, device: Device) -> None:
    for recipe in RECIPES:
        modelled = Energy.of(compress(small, recipe), device)
        assert 0 <= modelled.low <= modelled.value <= modelled.high
        nothing_left = any(getattr(step.method, "sparsity", 0) == 1.0 for step in recipe.steps)
        assert modelled.high > 0 or nothing_left
        assert sum(modelled.split.values()) == pytest.approx(modelled.value, rel=1e-12)
        assert list(modelled.by_layer) == ["0", "3"]
        assert sum(modelled.by_layer.values()) == pytest.approx(modelled.value, rel=1e-12)
        assert modelled.badge == "modelled"
        assert modelled.note == device.note


def test_inputs_that_no_weight_meets_are_not_read() -> None:
    """64 -> 32 with one weight left: one input read and 32 outputs written, at 5 pJ a float, and the stored bytes."""
    model = Model.from_module(nn.Sequential(nn.Linear(64, 32, bias=False)), torch.zeros(1, 64))
    weight = np.zeros((32, 64), np.float32)
    weight[3, 5] = 1
    compressed = CompressedModel(model, {"0": Form.of(weight)})
    stored = sum(one.data.nbytes for one in compressed.encodings["0"].arrays()) / 4
    modelled = Energy.of(compressed, CHIP)
    assert modelled.low == pytest.approx((3.1 + 0.1 + (stored + 1 + 32) * 5) * PJ, rel=1e-12)
    assert modelled.split["on_chip"] == pytest.approx((stored + 1 + 32) * 5 * PJ, rel=1e-12)


def falls(figures: list[Figure]) -> bool:
    return all(
        now.low <= before.low and now.value < before.value and now.high < before.high
        for before, now in itertools.pairwise(figures)
    )


def test_energy_falls_with_sparsity_and_with_bits(lenet_5: Model) -> None:
    sparser = [compress(lenet_5, Recipe.sliders(sparsity=share)) for share in (0.0, 0.3, 0.6, 0.9, 0.99)]
    assert falls([Energy.of(one, CHIP) for one in sparser])
    assert falls([Energy.of(without_zeros(bits), CHIP) for bits in (32, 8, 7, 6, 5, 4, 3, 2, 1)])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_gains_from_rank_and_from_channels_that_are_gone(lenet_5: Model, board: Device) -> None:
    original = Energy.of(compress(lenet_5, Recipe()), board)
    assert list(original.split) == ["device"]
    assert Energy.of(compress(lenet_5, Recipe.sliders(bits=2)), board) == original
    for recipe in (Recipe.sliders(sparsity=0.95), Recipe.sliders(sparsity=0.9, bits=4)):
        sparse = compress(lenet_5, recipe)
        dense, left = (Macs.of(network, board).value for network in (compress(lenet_5, Recipe()), sparse))
        assert Energy.of(sparse, board).value == pytest.approx(original.value * left / dense)
        assert left > EffectiveMacs.of(sparse, board).value  # single zeros are not credited
    ranks = [Energy.of(compress(lenet_5, Recipe.sliders(rank=rank)), board) for rank in (0.3, 0.1, 0.02)]
    assert falls([original, *ranks])


@pytest.mark.parametrize(("board", "millijoules"), list(zip(BOARDS, (10.68, 8.71, 3.64), strict=True)))
def test_the_measured_network_gets_back_its_measured_energy(board: Device, millijoules: float) -> None:
    """ResNet-8 as MLPerf Tiny runs it: three channels of 32 x 32, 12.5 M MACs."""
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    model = Model.from_module(module, torch.zeros(1, 3, 32, 32))
    modelled = Energy.of(compress(model, Recipe()), board)
    assert modelled.value * 1000 == pytest.approx(millijoules, abs=0.005)


class Attention(nn.Module):
    """A linear layer and a product of activations, (5 x 8) (8 x 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query = self.query(x)
        return torch.bmm(query, query.transpose(1, 2))


@pytest.mark.parametrize("device", [CHIP, BOARDS[0]], ids=lambda device: device.name)
def test_products_of_activations_are_priced_between_the_layers(device: Device) -> None:
    modelled = Energy.of(compress(Model.from_module(Attention(), torch.zeros(1, 5, 8)), Recipe()), device)
    per_mac = 3.7 + 0.9 + 2 * 5 if device is CHIP else 10_681.623e6 / 12_501_632  # two floats from 8 KiB
    assert modelled.by_layer[BETWEEN_LAYERS] == pytest.approx(5 * 5 * 8 * per_mac * PJ, rel=1e-12)
    assert sum(modelled.by_layer.values()) == pytest.approx(modelled.value, rel=1e-12)


class Looked(nn.Module):
    """A table of 1,000 rows of which an input looks up five, and a mask that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(1000, 16), nn.Linear(16, 3)
        self.register_buffer("mask", torch.ones(50))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(x.long()).sum(1))


def by_functions() -> nn.Module:
    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.out = nn.Parameter(torch.rand(1024, 256)), nn.Linear(1024, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(nn.functional.linear(x, self.weight) + nn.functional.linear(x, self.weight))

    return Called()


READ = {  # module, shape of its input, floats of layers that an inference reads, and those that no layer owns
    "1-D convolution": (
        nn.Sequential(nn.Conv1d(256, 1024, 1), nn.Flatten(), nn.Linear(1024, 10)),
        (256, 1),
        1024 * 257 + 10 * 1025,
        0,
    ),
    "transposed": (nn.Sequential(nn.ConvTranspose2d(3, 8, 2), nn.Conv2d(8, 2, 1)), (3, 4, 4), 3 * 8 * 4 + 8 + 2 * 9, 0),
    "a weight in a function, twice": (by_functions(), (256,), 1024 * 256 + 10 * 1025, 0),
    "embedding": (Looked(), (5,), 16 + 3 * 17, 0),  # five times the same row
    "recurrent": (nn.Sequential(nn.GRUCell(8, 4), nn.Linear(4, 3)), (8,), 12 * (8 + 4) + 3 * 5, 2 * 12),
    "batch norm": (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), (4,), 20, 0),
    "layer norm": (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), (4,), 20, 8),
}


@pytest.mark.parametrize("kind", READ)
def test_every_number_that_an_inference_reads_comes_from_dram_once(kind: str) -> None:
    """975 pJ a float, the middle of 650 and 1300."""
    module, shape, owned, beside = READ[kind]
    modelled = Energy.of(compress(Model.from_module(module, torch.zeros(1, *shape)), Recipe()), CHIP)
    assert modelled.split["dram"] == pytest.approx((owned + beside) * 975 * PJ, rel=1e-12)
    assert modelled.by_layer.get(BESIDE_LAYERS, 0) == pytest.approx(beside * 975 * PJ, rel=1e-12)
    assert sum(modelled.by_layer.values()) == pytest.approx(modelled.value, rel=1e-12)


def test_what_could_not_be_counted_is_named() -> None:
    class Distances(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(torch.cdist(x, x))

    model = Model.from_module(Distances(), torch.zeros(1, 5, 8))
    assert model.uncounted
    note = Energy.of(compress(model, Recipe()), CHIP).note
    assert note.startswith(CHIP.note)
    assert all(operator in note for operator in model.uncounted)
