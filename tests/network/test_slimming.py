"""A network without its dead channels: smaller layers really run, and the answers stay."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from tests.odd_networks import (
    IMAGE,
    Attending,
    AttendingFused,
    AttendingInOne,
    OneHead,
    OneHeadInOne,
    Residual,
    SharedKeys,
    Shuffled,
    model_of,
)  # fmt: skip
from tests.one_thread import one_thread  # noqa: F401 (every test here uses it)
from tests.zoo import loaded
from workbench.compression.compressed import compress
from workbench.costs.latency import measure
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.network import narrowing
from workbench.network.model import Model
from workbench.network.packed import PackedConv2d, PackedLinear
from workbench.network.recording import results
from workbench.network.slimming import simulated_slim
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.weights.form import Form

ZOO = ["lenet-5/mnist", "resnet-8/fashion-mnist", "mobilenet-v2/fashion-mnist", "squeezenet/fashion-mnist"]


def compressed_by(model: Model, *methods):
    return compress(model, Recipe(tuple(Step(method) for method in methods)))


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def entered(module: nn.Module, names, x: torch.Tensor):
    """What enters and leaves each layer as it runs: (channels in, channels out)."""
    seen = {}

    def see(layer, inputs, output, name):
        axis = -1 if layer_is_linear(layer) else -3
        seen[name] = inputs[0].shape[axis], output.shape[axis]

    hooks = [
        module.get_submodule(name).register_forward_hook(lambda *args, name=name: see(*args, name)) for name in names
    ]
    with torch.inference_mode():
        module(x)
    for hook in hooks:
        hook.remove()
    return seen


def layer_is_linear(layer: nn.Module) -> bool:
    first = layer[0] if isinstance(layer, nn.Sequential) else layer
    return isinstance(first, nn.Linear | PackedLinear)


@pytest.mark.parametrize("share", [pytest.param(0.3, marks=pytest.mark.slow), 0.5])
@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_runs_in_what_is_left_of_its_layers(name: str, share: float) -> None:
    """Every layer, packed and in torch, is entered by the channels that its weight still meets, and gives those that it
    still has; activations between them are as narrow, for the network's own modules are all that is called."""
    model = loaded(name)
    compressed = compressed_by(model, L1Filter(share=share))
    x = model.data.split("test").inputs(slice(100))
    with torch.inference_mode():
        expected = compressed.to_torch()(x)
        running, slim = compressed.running(), compressed.to_torch(slim=True)
        assert not running.notes
        for network in (running.module, slim):
            assert_alike(network(x), expected)
            assert not [path for path, _ in network.named_modules() if path.startswith("relaid")]
    for network in (running.module, slim):
        seen = entered(network, [layer.name for layer in model.layers], x[:2])
        for layer in model.layers:
            rows, columns = (int(left.sum()) for left in compressed.forms[layer.name].parts[0].alive)
            inputs = rows if layer.groups > 1 else columns
            assert seen[layer.name] == (inputs, rows), layer.name
        norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
        assert all(len(one.weight) == len(one.running_mean) == one.num_features for one in norms)
    assert {name for name, crossing in running.crossings.items() if crossing.left[0] < crossing.shape[0]} == {
        layer.name for layer in model.layers[:-1]
    }


@pytest.mark.parametrize("name", ZOO)
def test_the_products_that_run_are_those_that_are_counted(name: str) -> None:
    model = loaded(name)
    compressed = compressed_by(model, L1Filter(share=0.4))
    slim = compressed.to_torch(slim=True)
    ran = 0
    for layer in model.layers:
        weight, (call,) = slim.get_submodule(layer.name).weight, layer.calls
        ran += weight.numel() * int(np.prod(call.output_shape)) // layer.shape[0]
    assert ran == workbench.assess(compressed, images=100).compressed.macs
    assert ran < 0.5 * sum(
        np.prod(layer.calls[0].output_shape) // layer.shape[0] * layer.size for layer in model.layers
    )


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize(
    "methods",
    [
        (Uniform(bits=4),),
        (Uniform(bits=8, per="tensor", symmetric="no"),),
        (KMeans(bits=4),),
        (Magnitude(sparsity=0.6), Uniform(bits=4)),
        (SVD(rank=0.5), Uniform(bits=8)),
    ],
    ids=lambda methods: " ".join(type(method).__name__ for method in methods),
)
def test_what_is_left_runs_on_its_kernels(name: str, methods) -> None:
    """Weights on levels stay on them: a smaller layer multiplies with what its encoding stores."""
    model = loaded(name)
    compressed = compressed_by(model, L1Filter(share=0.4), *methods)
    x = model.data.split("test").inputs(slice(50))
    running = compressed.running()
    with torch.inference_mode():
        assert_alike(running.module(x), compressed.to_torch()(x))
    kernels = [one for one in running.module.modules() if isinstance(one, PackedConv2d | PackedLinear)]
    assert kernels and len(running.crossings) > len(model.layers) // 2
    for layer, crossing in running.crossings.items():
        encoding = compressed.encodings[layer]
        smaller, whole = crossing.encoding(encoding).decode(), encoding.decode()
        assert np.array_equal(smaller.parts[-1].values.shape[0], crossing.left[0])
        assert [part.bits for part in smaller.parts] == [part.bits for part in whole.parts]


@pytest.mark.parametrize("name", ZOO)
def test_what_is_held_is_what_is_stored(name: str) -> None:
    compressed = compressed_by(loaded(name), L1Filter(share=0.5))
    running = compressed.running()
    for layer in running.crossings:
        module = running.module.get_submodule(layer)
        packed = isinstance(module, PackedConv2d | PackedLinear)
        stored = sum(array.data.nbytes for array in compressed.encodings[layer].arrays())
        assert (module.kernel.nbytes if packed else module.weight.nbytes) <= 1.15 * stored + 48, layer


def test_a_network_without_dead_channels_is_the_module_that_it_was() -> None:
    model = loaded("lenet-5/mnist")
    running = compressed_by(model, Uniform(bits=4)).running()
    assert type(running.module) is type(model.module) and not running.crossings and not running.notes


# Networks of one's own.


def emptied(model: Model, share: float = 0.5):
    return compressed_by(model, L1Filter(share=share))


def assert_slims(compressed, *, shape=None):
    """Both ways to run give the answers of the network with its zeros, of several batches; what ran smaller."""
    generator = torch.Generator().manual_seed(1)
    running, slim = compressed.running(), compressed.to_torch(slim=True)
    whole = compressed.to_torch()
    with torch.inference_mode():
        for count in (1, 2, 5):
            x = torch.randn(count, *(shape or compressed.model.input_shape), generator=generator)
            for network in (running.module, slim):
                assert_alike(network(x), whole(x))
    return running


def left(running):
    return {name: crossing.left for name, crossing in running.crossings.items()}


class WrittenOut(nn.Module):
    """Flattens by a shape that is written out, as tutorials do."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 10, 3), nn.Conv2d(10, 16, 3)
        self.fc = nn.Linear(256, 5)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc(x.view(-1, 256))


def test_a_shape_that_is_written_out_is_followed():
    assert left(assert_slims(emptied(model_of(WrittenOut())))) == {"conv1": (5, 4), "conv2": (8, 5), "fc": (5, 128)}


class ShuffledByView(Shuffled):
    def joined(self, x, shape):
        return x.contiguous().view(shape)


def test_shuffled_split_and_concatenated():
    compressed = emptied(model_of(ShuffledByView()))
    running = assert_slims(compressed)
    alive = {name: form.parts[0].alive for name, form in compressed.forms.items()}
    assert running.crossings["a"].rows.tolist() == np.flatnonzero(alive["a"][0]).tolist()
    assert running.crossings["depth"].left == (int(alive["depth"][0].sum()), 1)
    assert running.crossings["head"].left[1] == 64 * (int(alive["grouped"][0][3:].sum()) + int(alive["b"][0].sum()))


class AddedInPlace(Residual):
    def summed(self, x, y):
        x += y
        return x


def test_what_is_added_is_narrow_together():
    narrow = {"stem": (3, 4), "a": (4, 3), "b": (3, 4), "head": (3, 3)}
    assert left(assert_slims(emptied(model_of(AddedInPlace())))) == narrow


def without_rows(model: Model, rows: dict[str, list[int]], silent: bool = False):
    """The network whose layers have no weights in these rows; `silent`: nor biases there."""
    forms = {}
    for name, gone in rows.items():
        values = model.layer(name).weight.copy()
        values[gone] = 0
        forms[name] = Form.of(values)
    rest = {f"{name}.bias": model.rest[f"{name}.bias"].copy() for name in rows if silent}
    for name, bias in rest.items():
        bias[rows[name.removesuffix(".bias")]] = 0
    state = State.of(model).with_forms(forms).with_rest(rest)
    return compress(state.model, Recipe()).with_forms(forms)


def test_a_sum_keeps_what_either_side_has():
    """Two branches that lost different channels: those that both lost are left out behind the sum."""
    compressed = without_rows(model_of(AddedInPlace()), {"stem": [0, 1, 2], "b": [1, 2, 3]}, silent=True)
    slim = simulated_slim(compressed.model, compressed.forms)
    assert_slims(compressed)
    assert slim.module.get_submodule("head").in_features <= 6


class Plain(nn.Module):
    """between: what stands between two layers."""

    def __init__(self, between: nn.Module, padding: int = 0, width: int = 12):
        super().__init__()
        self.a, self.between = nn.Conv2d(4, width, 3, padding=1), between
        self.b, self.head = nn.Conv2d(width, 6, 3, padding=padding), nn.LazyLinear(3)
        self(torch.zeros(IMAGE))

    def forward(self, x):
        return self.head(self.b(self.between(self.a(x))).flatten(1))


@pytest.mark.parametrize(
    "between",
    [nn.ReLU(), nn.Sigmoid(), nn.MaxPool2d(2), nn.BatchNorm2d(12), nn.ReLU(inplace=True)],
    ids=lambda module: str(module),
)
def test_a_channel_that_is_one_number_is_added_to_the_biases_behind_it(between):
    """Without weights, and with a bias: the channel is a constant, and no zeros are put around it."""
    compressed = without_rows(model_of(Plain(between)), {"a": [1, 2, 5, 11]})
    running = assert_slims(compressed)
    assert left(running) == {"a": (8, 4), "b": (6, 8)} and not running.notes


def test_a_constant_behind_which_zeros_are_put_is_there_where_it_is_met():
    """At the border a padded layer sees less of it. Few channels are not worth putting in again, many are."""
    few = without_rows(model_of(Plain(nn.Sigmoid(), padding=1)), {"a": [1, 2, 5, 11]})
    running = assert_slims(few)
    assert left(running) == {} and "putting them in takes longer" in running.said_of("a")
    many = without_rows(model_of(Plain(nn.Sigmoid(), padding=1, width=256)), {"a": list(range(1, 256))})
    assert_slims(many)
    assert left(simulated_slim(many.model, many.forms)) == {"a": (1, 4)}
    gone = without_rows(model_of(Plain(nn.ReLU(), padding=1)), {"a": [1, 2]}, silent=True)
    assert left(assert_slims(gone)) == {"a": (10, 4), "b": (6, 10)}


class Gated(nn.Module):
    """Squeeze and excitation: a gate for each channel, from all of them."""

    def __init__(self):
        super().__init__()
        self.a, self.down, self.up = nn.Conv2d(4, 16, 3, padding=1), nn.Linear(16, 4), nn.Linear(4, 16)
        self.b, self.head = nn.Conv2d(16, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.a(x))
        gate = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1).flatten(1)))))
        x = x * gate.view(x.size(0), x.size(1), 1, 1)
        return self.head(F.adaptive_avg_pool2d(self.b(x), 1)[:, :, 0, 0])


def test_a_gate_opens_on_what_is_there():
    compressed = without_rows(model_of(Gated()), {"a": [0, 3, 7, 8, 9, 15]}, silent=True)
    running = assert_slims(compressed)
    assert left(running)["a"] == (10, 4) and left(running)["b"] == (8, 10) and left(running)["down"] == (4, 10)


class Scaled(nn.Module):
    """Something of its own between two layers, of all channels."""

    def __init__(self):
        super().__init__()
        self.a, self.scale, self.head = nn.Conv2d(4, 256, 3), nn.Parameter(torch.zeros(256, 1, 1)), nn.Linear(256, 3)

    def forward(self, x):
        x = torch.softmax(self.a(x) * self.scale / x.shape[1] ** 0.5, 1)
        return self.head(x.mean((2, 3)))


def test_what_needs_all_channels_gets_them_and_the_layer_says_so():
    compressed = without_rows(model_of(Scaled()), {"a": list(range(250))}, silent=True)
    running = assert_slims(compressed)
    assert left(running) == {"a": (6, 4)}
    assert running.said_of("a") == (
        "Runs with 6 of 256 outputs. "
        "It has its channels put together again before 'mul', which needs to see all of them."
    )


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.head = nn.Conv2d(4, 8, 3), nn.Linear(8, 3)

    def forward(self, x):
        x = self.a(x if x.sum() > 0 else -x)
        return self.head(x.mean((2, 3)))


class Overwriting(Deciding):
    def forward(self, x):
        x = self.a(x)
        x[:, 2].zero_()
        return self.head(x.mean((2, 3)))


class Reading(Deciding):
    """What is written over is read again."""

    def forward(self, x):
        x = self.a(x)
        return self.head((F.relu(x, inplace=True) + x).mean((2, 3)))


class Chancy(Deciding):
    """Never answers twice alike, so that nothing can be shown."""

    def forward(self, x):
        return F.dropout(self.head(self.a(x).mean((2, 3))), 0.5, True)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (Deciding, "the network's graph cannot be followed (TraceError in Deciding.forward, line"),
        (Overwriting, "writes over an activation"),
        (Reading, "writes over an activation that something else reads"),
        (Chancy, "without them it would answer otherwise"),
    ],
)
def test_what_cannot_be_shown_to_answer_alike_runs_as_it_came(module, why):
    torch.manual_seed(0)
    compressed = without_rows(model_of(module()), {"a": [0, 1, 2, 3]}, silent=True)
    running = compressed.running()
    assert not running.crossings and isinstance(running.module, module)
    assert "runs with its dead channels" in running.notes["a"] and why in running.notes["a"]
    if module is not Chancy:
        x = torch.randn(3, *IMAGE[1:])
        torch.testing.assert_close(running.module(x), compressed.to_torch()(x), rtol=1e-5, atol=1e-5)


def always_worth(monkeypatch) -> None:
    monkeypatch.setattr(narrowing, "_CALL", 0)
    monkeypatch.setattr(narrowing, "_NUMBER", 0)


@pytest.mark.parametrize("module", [Attending, AttendingInOne, AttendingFused])
def test_the_number_of_heads_follows(module, monkeypatch):
    """The answers are those of the network whose heads are masked where they leave attention (Michel, Levy, Neubig,
    Are sixteen heads really better than one, NeurIPS 2019, equation 2)."""
    always_worth(monkeypatch)
    model = model_of(module(), module.shape)
    layers = ("qkv",) if module is AttendingFused else ("q", "k", "v")
    compressed = compress(model, Recipe((Step(L1Filter(share=0.5), layers),)))
    heads = compressed.forms[layers[-1]].parts[0].alive[0][-16:].reshape(4, 4)
    assert heads.all(1).sum() == heads.any(1).sum() == 2
    masked = State.of(model).module()
    mask = torch.from_numpy(heads.reshape(-1).copy())
    masked.o.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * mask,))
    x = torch.rand(7, 5, 16)
    running, slim = compressed.running(), compressed.to_torch(slim=True)
    with torch.inference_mode():
        assert_alike(running.module(x), masked(x))
        assert_alike(slim(x), masked(x))
        assert not running.notes
        found = results(slim, slim.graph, x)
    of_heads = [one.shape[1] for node, one in found.items() if "matmul" in node.name or "attention" in node.name]
    assert set(of_heads) == {2}
    assert slim.o.in_features == 8 and slim.get_submodule(layers[0]).out_features == 8 * 3 // len(layers)
    assert running.said_of("o") == "Runs with 8 of 16 inputs."


@pytest.mark.parametrize("module", [OneHead, OneHeadInOne, SharedKeys])
def test_of_one_head_fewer_channels_are_multiplied(module, monkeypatch):
    always_worth(monkeypatch)
    compressed = compressed_by(model_of(module(), module.shape), L1Filter(share=0.5))
    slim = assert_slims(compressed).module
    assert slim.q.in_features == 16
    small = compressed.to_torch(slim=True)
    assert (
        (small.q.out_features, small.k.out_features) == (8, small.v.out_features) == (8, module().k.out_features // 2)
    )


class MaskedHeads(Attending):
    """What looks at nothing but what came before it; what a mask hides depends on the place."""

    def attended(self, q, k, v):
        scores = (q @ k.transpose(-1, -2)).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        return torch.softmax(scores, -1) @ v


def test_what_cannot_be_followed_through_heads_is_put_together_and_said(monkeypatch):
    always_worth(monkeypatch)
    compressed = compressed_by(model_of(MaskedHeads(), MaskedHeads.shape), L1Filter(share=0.5))
    running = assert_slims(compressed)
    assert "put together again before 'masked_fill'" in running.notes["q"]


class Tied(nn.Module):
    """One layer called twice, and two that share a weight."""

    def __init__(self):
        super().__init__()
        self.a, self.twice, self.c, self.d = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.d.weight, self.head = self.c.weight, nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.twice(F.relu(self.twice(F.relu(self.a(x))))))
        return self.head(F.relu(self.d(F.relu(self.c(x)))))


def test_a_layer_that_is_used_twice_runs_whole():
    model = model_of(Tied(), (1, 8))
    compressed = without_rows(model, {"twice": [0, 1], "c": [3]}, silent=True)
    running = compressed.running()
    assert not {"twice", "c"} & set(running.crossings)
    x = torch.randn(3, 2, 8)
    assert_alike(running.module(x), compressed.to_torch()(x))


def test_a_network_of_nothing_still_answers():
    compressed = compressed_by(model_of(AddedInPlace()), Magnitude(sparsity=1.0))
    assert_slims(compressed)


def test_groups_of_weights_that_share_a_scale_stay_together():
    """64 of a row share a scale: without some of the inputs they would be others."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 3))
    model = Model.from_module(module, torch.zeros(1, 64))
    compressed = compressed_by(model, L1Filter(share=0.9), Uniform(bits=4, per="group"))
    running = compressed.running()
    x = torch.randn(20, 64)
    assert_alike(running.module(x), compressed.to_torch()(x))
    assert all(crossing.every_column for name, crossing in running.crossings.items() if name != "0")
    in_torch = simulated_slim(compressed.model, compressed.forms)
    assert left(in_torch)["2"] == (26, 26)
    assert_alike(in_torch.module(x), compressed.to_torch()(x))


def test_a_file_runs_slim(tmp_path):
    model = loaded("resnet-8/fashion-mnist")
    compressed = compressed_by(model, L1Filter(share=0.5), Uniform(bits=8))
    back = workbench.read(compressed.save(tmp_path / "slim.cwb"))
    x = model.data.split("test").inputs(slice(50))
    with torch.inference_mode():
        assert_alike(back.packed()(x), compressed.to_torch()(x))
    assert left(back.running()) == left(compressed.running())


def test_latency_feeds_each_layer_what_enters_it_and_says_how_much_smaller_it_is():
    compressed = compressed_by(loaded("lenet-5/mnist"), L1Filter(share=0.5))
    notes = {name: one.note for name, one in measure(compressed, budget=0.01).by_layer.items()}
    assert notes["fc1"].startswith("Runs with 250 of 500 outputs and 400 of 800 inputs.")
    assert not any("too few for a smaller encoding" in note for note in notes.values())


def test_costs_follow_no_graph(monkeypatch):
    """Counts, sizes and energy are worked out at every move of a slider."""

    def refused(*args):
        raise AssertionError("the running network is no business of the costs")

    monkeypatch.setattr("workbench.network.packed.slimmed", refused)
    monkeypatch.setattr("workbench.network.slimming.slimmed", refused)
    compressed = compressed_by(loaded("lenet-5/mnist"), L1Filter(share=0.5))
    assert workbench.assess(compressed, images=100).compressed.macs < 1e6
    with pytest.raises(AssertionError, match="no business"):
        compressed.packed()


class Grouped(nn.Module):
    """Two filters a channel, groups that lose different inputs, a shuffle, a gate, halves that change places."""

    def __init__(self):
        super().__init__()
        self.a, self.bn = nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.depth = nn.Conv2d(6, 12, 3, padding=1, groups=6, stride=2)
        self.wrapped = nn.Conv2d(12, 12, 3, groups=3, padding=1, padding_mode="circular")
        self.point, self.shuffle, self.head = nn.Conv2d(12, 12, 1, groups=4), nn.ChannelShuffle(3), nn.Linear(12, 3)

    def forward(self, x):
        x = F.leaky_relu(self.depth(F.relu6(self.bn(self.a(x)))))
        y = self.shuffle(self.wrapped(x))
        one, other = (torch.sigmoid(self.point(y)) * x + y).chunk(2, 1)
        return self.head(F.adaptive_avg_pool2d(torch.cat([other, one], 1), 1).squeeze(-1).squeeze(-1))


class Connected(nn.Module):
    """Every layer sees all before it, behind a batch norm of its own."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4 + 5 * place, 5, 3, padding=1) for place in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 5 * place) for place in range(3))
        self.narrow, self.head = nn.Linear(19, 7), nn.Linear(7, 3)

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.cat([x, layer(F.relu(norm(x)))], 1)
        return self.head(torch.tanh(self.narrow(F.max_pool2d(x, 2).mean([2, 3]))))


class Tokens(nn.Module):
    """Patches as rows, a residual pair of linear layers behind a layer norm."""

    def __init__(self):
        super().__init__()
        self.patches, self.norm = nn.Conv2d(4, 12, 2, stride=2), nn.LayerNorm(12)
        self.up, self.down, self.head = nn.Linear(12, 20), nn.Linear(20, 12), nn.Linear(12, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.down(F.gelu(self.up(self.norm(x))))
        return self.head(x.mean(1))


@pytest.mark.parametrize("always", [False, True], ids=["where it pays", "always"])
@pytest.mark.parametrize("module", [AddedInPlace, ShuffledByView, WrittenOut, Gated, Grouped, Connected, Tokens,
                                    Attending, AttendingInOne, AttendingFused, OneHead, OneHeadInOne,
                                    SharedKeys])  # fmt: skip
def test_whatever_is_dead_the_answers_stay(module, always, monkeypatch):
    """Outputs and inputs without weights at random, some with a bias: nothing is left to the check at the end."""
    if always:
        always_worth(monkeypatch)
    rng = np.random.default_rng(0)
    model = model_of(module(), getattr(module, "shape", IMAGE))
    smaller = 0
    for _ in range(8):
        forms, rest = {}, {}
        for layer in model.layers:
            values = layer.weight.copy()
            rows = rng.random(len(values)) < rng.choice([0, 0.3, 0.6, 0.95])
            values[rows], values[:, rng.random(values.shape[1]) < rng.choice([0, 0.3])] = 0, 0
            forms[layer.name] = Form.of(values)
            bias = model.rest.get(f"{layer.name}.bias")
            if bias is not None and rng.random() < 0.6:
                rest[f"{layer.name}.bias"] = np.where(rows, np.float32(0), bias)
        state = State.of(model).with_forms(forms).with_rest(rest)
        compressed = compress(state.model, Recipe()).with_forms(state.forms)
        running = assert_slims(compressed)
        assert not [note for note in running.notes.values() if "otherwise" in note or "followed" in note]
        smaller += len(running.crossings)
    assert smaller or not always
