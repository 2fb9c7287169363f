"""Network slimming: the constant that a channel without a scale is, who takes it up, and the push on scales."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.training import train
from workbench.methods.prune._scales import scaled
from workbench.methods.prune.batch_norm_scale import BatchNormScale
from workbench.methods.prune.network_slimming import NetworkSlimming
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy


def alive(norm: nn.BatchNorm2d | nn.BatchNorm1d, dead: int = 0) -> None:
    """Statistics, scales and shifts of a trained network, the first scales 0 and the shifts there above it."""
    norm.running_mean.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 2)
    norm.weight.data.uniform_(0.5, 1.5)
    norm.bias.data.uniform_(-1, 1)
    norm.weight.data[:dead], norm.bias.data[:dead] = 0, torch.linspace(0.3, 1, dead) if dead else norm.bias.data[:0]


def plain(padding: int, norm: bool, bias: bool = True) -> nn.Module:
    """A convolution with batch norm, three of whose six scales are 0, then one of that padding."""
    torch.manual_seed(0)
    after = [nn.BatchNorm2d(4)] if norm else []
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
        nn.Conv2d(6, 4, 3, padding=padding, bias=bias), *after, nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    module(torch.zeros(1, 1, 10, 10))
    alive(module[1], dead=3)
    for one in after:
        alive(one)
    return module.eval()


class Residual(nn.Module):
    """Sums of maps behind batch norms, two of whose scales are 0 on both sides."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.norm1 = nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.second, self.norm2 = nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)
        self.head, self.norm3, self.last = nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.Linear(5, 3)
        alive(self.norm1, dead=2)
        alive(self.norm2, dead=2)
        alive(self.norm3, dead=1)

    def forward(self, x):
        x = F.relu(self.norm1(self.first(x)))
        x = F.relu(x + self.norm2(self.second(x)))
        return self.last(F.leaky_relu(self.norm3(self.head(x.mean((2, 3))))))


class Separable(nn.Module):
    """An inverted residual: a filter for each channel, with zeros around, between two convolutions of 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.wide, self.norm1 = nn.Conv2d(1, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.each, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8)
        self.narrow, self.norm3 = nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 3, 1)
        for norm, dead in ((self.norm1, 4), (self.norm2, 4), (self.norm3, 1)):
            alive(norm, dead)

    def forward(self, x):
        x = F.relu6(self.norm2(self.each(F.relu6(self.norm1(self.wide(x))))))
        return self.last(self.norm3(self.narrow(x))).mean((2, 3))


class Concatenated(nn.Module):
    """Two branches side by side, shuffled, into groups."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.one, self.norm1 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.other, self.norm2 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.shuffle, self.grouped, self.last = nn.ChannelShuffle(2), nn.Conv2d(8, 6, 3, groups=2), nn.Linear(216, 3)
        alive(self.norm1, dead=1)
        alive(self.norm2, dead=2)

    def forward(self, x):
        x = torch.cat([F.relu(self.norm1(self.one(x))), torch.tanh(self.norm2(self.other(x)))], 1)
        return self.last(F.relu(self.grouped(self.shuffle(x))).flatten(1))


EXACT = {
    "into biases": (plain(padding=0, norm=False), 3),
    "into a batch norm": (plain(padding=0, norm=True, bias=False), 3),
    "sums": (Residual(), 3),
    "a filter for each channel": (Separable(), 5),
    "shuffled into groups": (Concatenated(), 3),
}


def slimmed(module: nn.Module, dead: int) -> tuple[Model, workbench.CompressedModel]:
    """Without as many channels as have a scale of 0."""
    model = Model.from_module(copy.deepcopy(module), torch.zeros(1, 1, 10, 10))
    whole = sum(len(cluster) for cluster in scaled(State.of(model).forms, Calibration(State.of(model), model.digest)))
    return model, compress(model, Recipe((Step(BatchNormScale(share=dead / whole)),)))


def images(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 1, 10, 10, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("name", EXACT)
def test_a_channel_without_a_scale_leaves_a_constant_that_the_next_layers_take_up(name):
    """Catalogue PR-15: the same logits from a network that is smaller, where no zeros are put around a constant."""
    model, compressed = slimmed(*EXACT[name])
    gone = sum(int((~form.parts[0].alive[0]).sum()) for form in compressed.forms.values())
    assert gone >= EXACT[name][1]
    assert not any("border" in note.text for note in compressed.notes)
    x = images()
    with torch.no_grad():
        expected = model.module(x)
        for network in (compressed.to_torch(), compressed.to_torch(slim=True)):
            torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)
        without = model.with_rest(
            {tensor: compressed.model.rest[tensor] for tensor in beside_of_gone(model, compressed)}
        )
        dropped = State(without, compressed.forms).module()(x)
    assert not torch.allclose(dropped, expected, atol=1e-3)  # what just drops a channel with a shift drops the constant
    left = sum(form.parts[0].nonzeros for form in compressed.forms.values())
    assert left < sum(layer.size for layer in model.layers) - gone


def beside_of_gone(model: Model, compressed: workbench.CompressedModel) -> set[str]:
    """Tensors of which entries went, and nothing else changed."""
    found = set()
    for name, now in compressed.model.rest.items():
        was = model.rest[name]
        if (now != was).any() and not now[now != was].any():
            found.add(name)
    return found


def test_behind_zeros_the_border_differs_by_as_much_as_is_said():
    """A convolution of 3 x 3 with zeros around it: inside nothing changes; where the padding is met something does."""
    model, compressed = slimmed(plain(padding=1, norm=False), 3)
    x, module, network = images(), model.module, compressed.to_torch()
    with torch.no_grad():
        before, after = module[:4](x), network[:4](x)
        found = after - before
        torch.testing.assert_close(after[..., 1:-1, 1:-1], before[..., 1:-1, 1:-1], rtol=1e-5, atol=1e-5)
        constant = F.relu6(module[1].bias[:3])
        taps = F.conv_transpose2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3), padding=1)
        assert float(taps[0, 0, 0, 0]) == 4  # of nine weights four are met in a corner
        expected = constant @ module[3].weight[:, :3].flatten(2).sum(2).T
        missing = expected[:, None, None] - F.conv2d(
            constant[None, :, None, None].expand(1, 3, 8, 8), module[3].weight[:, :3], padding=1
        )
        torch.testing.assert_close(found, missing.expand(found.shape), rtol=1e-4, atol=1e-5)
    (note,) = (note for note in compressed.notes if "border" in note.text)
    assert note.layer == "3" and note.text.endswith(f"off by up to {float(missing.abs().max()):.2g}.")


def test_what_no_layer_can_take_up_stays_as_a_constant():
    """A convolution without a bias and without a batch norm behind it: the weights of the channels go, no more."""
    model, compressed = slimmed(plain(padding=1, norm=False, bias=False), 3)
    assert int((~compressed.forms["0"].parts[0].alive[0]).sum()) == 3
    assert compressed.forms["3"] is model.layers[1].form
    x = images()
    with torch.no_grad():
        torch.testing.assert_close(compressed.to_torch()(x), model.module(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(compressed.to_torch(slim=True)(x), model.module(x), rtol=1e-5, atol=1e-5)
    silent = plain(padding=1, norm=False, bias=False)
    silent[1].bias.data[:3] = -1  # behind the activation that is nothing, which needs nobody to take it up
    model, compressed = slimmed(silent, 3)
    assert not compressed.forms["3"].compose()[:, :3].any() and not compressed.model.rest["1.bias"][:3].any()
    with torch.no_grad():
        torch.testing.assert_close(compressed.to_torch()(x), model.module(x), rtol=1e-5, atol=1e-5)
    foldable = Model.from_module(plain(padding=0, norm=False), torch.zeros(1, 1, 10, 10))
    alone = compress(foldable, Recipe((Step(BatchNormScale(share=0.5), ("0",)),)))  # the next layer is not to change
    assert alone.forms["3"] is foldable.layers[1].form
    with torch.no_grad():
        torch.testing.assert_close(alone.to_torch()(x), foldable.module(x), rtol=1e-5, atol=1e-5)


def test_channels_are_ranked_by_one_percentile_and_those_without_batch_norm_stay():
    model = Model.from_module(Residual().eval(), torch.zeros(1, 1, 10, 10))
    sizes = np.maximum(np.abs(model.rest["norm1.weight"]), np.abs(model.rest["norm2.weight"]))
    together = sorted([(size, "first", row) for row, size in enumerate(sizes)]
                      + [(abs(size), "head", row) for row, size in enumerate(model.rest["norm3.weight"])])  # fmt: skip
    compressed = compress(model, Recipe((Step(BatchNormScale(share=0.5)),)))
    gone = {
        (name, row) for name in ("first", "head") for row in np.flatnonzero(~compressed.forms[name].parts[0].alive[0])
    }
    assert gone == {(name, row) for _, name, row in together[: round(0.5 * 11)]}
    bare = Model.from_module(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(1, 4))
    untouched = compress(bare, Recipe((Step(BatchNormScale(share=0.5)),)))
    assert all(untouched.forms[layer.name] is layer.form for layer in bare.layers)
    assert "do not all pass a batch norm" in untouched.notes[0].text


def clouds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 6 x 6 around one of four centres, and which."""
    centres = np.random.default_rng(0).uniform(0, 1, (4, 1, 6, 6))
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    return (centres[labels] + random.normal(0, 0.2, (count, 1, 6, 6))).astype(np.float32), labels


@pytest.fixture(scope="module")
def wide() -> Model:
    """Twelve channels, where a few will do."""
    data = Dataset.from_arrays("clouds", train=clouds(512, 1), validation=clouds(128, 2), test=clouds(256, 3))
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 12, 3, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 12, 3, bias=False),
        nn.BatchNorm2d(12), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4),
    )  # fmt: skip
    TrainingCourse(data, lambda found: None).fit(module.eval(), epochs=5, learning_rate=1e-2, seed=0)
    return Model.from_module(module, torch.zeros(1, 1, 6, 6), data, "clouds")


def test_the_push_is_the_sub_gradient_of_the_sum_of_scales(wide):
    """The same weights as from the loss with λ Σ|γ| added to it, whose derivative autograd works out."""
    state, method = State.of(wide), NetworkSlimming(strength=0.03)
    competing = scaled(state.forms, Calibration(state, wide.digest))
    course = TrainingCourse(wide.data, lambda found: None)
    pushed, penalised = state.module(), state.module()

    def loss_of(module: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        sizes = module[1].weight.abs().sum() + module[4].weight.abs().sum()
        return F.cross_entropy(module(x), labels) + 0.03 * sizes

    given = {"epochs": 2, "learning_rate": 0.05, "seed": 0, "optimiser": "sgd", "last": True}
    course.fit(pushed, before_step=method.pushing(pushed, competing), **given)
    course.fit(penalised, loss_of=loss_of, **given)
    for found, expected in zip(pushed.parameters(), penalised.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_scales_fall_channels_go_in_rounds_and_a_slider_may_cut_what_was_only_trained(wide, tmp_path):
    slimmer = NetworkSlimming(share=0.5, strength=0.1, rounds=2, epochs=15, tuning=3)
    found = train(wide, Recipe((Step(slimmer),)), Store(tmp_path))
    gone = [int((~found.forms[name].parts[0].alive[0]).sum()) for name in ("0", "3")]
    assert sum(gone) == 12 and not found.previews
    rest, x = found.model.rest, wide.data.split("test").inputs()
    for name, norm in (("0", "1"), ("3", "4")):
        dead = ~found.forms[name].parts[0].alive[0]
        assert not rest[f"{norm}.weight"][dead].any() and not rest[f"{norm}.bias"][dead].any()
    assert not found.forms["7"].compose().reshape(4, 12, 4)[:, ~found.forms["3"].parts[0].alive[0]].any()
    assert accuracy(found.to_torch(), wide.data.split("test")) > 0.9
    slim = found.to_torch(slim=True)
    assert slim.get_submodule("3").weight.shape[:2] == (12 - gone[1], 12 - gone[0])
    torch.testing.assert_close(slim(x), found.to_torch()(x), rtol=1e-5, atol=1e-4)

    only = Step(NetworkSlimming(share=0.0, strength=0.1, epochs=25, tuning=0))
    trained = train(wide, Recipe((only,)), Store(tmp_path))
    cut = compress(wide, Recipe((only, Step(BatchNormScale(share=0.5)))), store=Store(tmp_path))
    small = sum(int((np.abs(trained.model.rest[f"{norm}.weight"]) < 0.01).sum()) for norm in ("1", "4"))
    assert small >= 8 and cut.trained_from == trained.trained_from
    assert accuracy(cut.to_torch(), wide.data.split("test")) > 0.9


@pytest.mark.slow
def test_scales_of_resnet_8_part_into_two_heaps_where_they_are_pushed(tmp_path, record_property):
    """Catalogue PR-15, figure 4 of the paper: a heap near 0 for λ > 0 and none for λ = 0. 2,000 images, ten epochs."""
    shipped = workbench.load("resnet-8/fashion-mnist")
    splits = {"train": 2000, "validation": 1000, "calibration": 1000, "test": 9990}
    arrays = {
        name: (shipped.data.split(name).images[:count], shipped.data.split(name).labels[:count])
        for name, count in splits.items()
    }
    data = Dataset.from_arrays("few", **arrays)
    model = Model.from_module(shipped.module, shipped.example, data, "few", "resnet-8")
    heaps = {}
    for strength in (0.0, 0.06):
        only = Step(NetworkSlimming(share=0.0, strength=strength, epochs=10, tuning=0))
        half, tuned = Step(BatchNormScale(share=0.5)), Step(RetrainedMagnitude(sparsity=0.0, rounds=1, epochs=4))
        trained, store = train(model, Recipe((only,)), Store(tmp_path)), Store(tmp_path)
        norms = ("bn1", "stack1.bn1", "stack1.bn2", "stack2.bn1", "stack3.bn1")
        sizes = np.abs(np.concatenate([trained.model.rest[f"{norm}.weight"] for norm in norms]))
        heaps[strength] = [float(share.mean()) for share in (sizes < 0.001, (sizes >= 0.001) & (sizes < 0.01))]
        record_property(f"PR-15, λ = {strength:g}, scales below 0.001", f"{heaps[strength][0]:.0%}")
        record_property("from there to 0.01", f"{heaps[strength][1]:.0%}")
        found = [trained, compress(model, Recipe((only, half)), store=store)]
        if strength:
            found.append(train(model, Recipe((only, half, tuned)), store))
        reached = [accuracy(one.to_torch(), data.split("test")) for one in found]
        for one, name in zip(reached, ("trained", "half of the channels cut", "fine-tuned"), strict=False):
            record_property(name, f"{one:.2%}")
    assert heaps[0.0] == [0, 0]
    assert heaps[0.06][0] > 0.4 and heaps[0.06][1] < 0.03 and sum(heaps[0.06]) < 0.8
    assert reached[1] == pytest.approx(reached[0], abs=0.005) and reached[2] > reached[1]  # of what was pushed
