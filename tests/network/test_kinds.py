"""Networks of many public kinds, built from torch alone: whatever a recipe does, every figure is about that network.

For each: the file has the size that was shown, what is read is what was written, and the simulated and the packed
network answer as the module itself does with the decoded weights.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from workbench.compression.compressed import compress, read
from workbench.method import Method
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


class Applied(nn.Module):
    """A forward pass given as a function of the module and its input."""

    def __init__(self, forward: Callable[["Applied", torch.Tensor], torch.Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.passed = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.passed(self, x)


def block(inputs: int, outputs: int, **facts: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, **facts), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def head(channels: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def u_net() -> nn.Module:
    def forward(net: Applied, x: torch.Tensor) -> torch.Tensor:
        fine = net.down(x)
        coarse = net.up(net.middle(functional.max_pool2d(fine, 2)))
        return net.head(torch.cat([fine, coarse], 1))

    parts = {"down": block(3, 8), "middle": block(8, 16), "up": nn.ConvTranspose2d(16, 8, 2, 2), "head": head(16)}
    return Applied(forward, **parts)


def tied() -> nn.Module:
    net = Applied(
        lambda net, x: net.head(net.mix(net.table(x)).mean(1)),
        table=nn.Embedding(11, 16), mix=nn.Linear(16, 16), head=nn.Linear(16, 11, bias=False),
    )  # fmt: skip
    net.head.weight = net.table.weight
    return net


def attending(batch_first: bool) -> nn.Module:
    return Applied(
        lambda net, x: net.head(net.attend(net.first(x), net.first(x), net.first(x))[0].flatten(1)),
        first=nn.Linear(8, 8), attend=nn.MultiheadAttention(8, 2, batch_first=batch_first), head=nn.Linear(48, 5),
    )  # fmt: skip


def recurrent(kind: type[nn.RNNBase]) -> nn.Module:
    return Applied(
        lambda net, x: net.head(net.cell(x)[0][:, -1]), cell=kind(8, 6, batch_first=True), head=nn.Linear(6, 5)
    )


def masked() -> nn.Module:
    net = nn.Sequential(nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 5))
    prune.l1_unstructured(net[0], "weight", 0.5)
    return net


IMAGE, STEPS, FLAT, WORDS = (3, 8, 8), (6, 8), (48,), (6,)
KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(48, 24), nn.GELU(), nn.Linear(24, 5)), FLAT),
    "plain convolutions": (lambda: nn.Sequential(block(3, 8), block(8, 16, stride=2), head(16)), IMAGE),
    "grouped": (lambda: nn.Sequential(block(3, 8), block(8, 16, groups=4), head(16)), IMAGE),
    "depthwise": (lambda: nn.Sequential(block(3, 8), block(8, 8, groups=8), nn.Conv2d(8, 16, 1), head(16)), IMAGE),
    "shuffled": (
        lambda: nn.Sequential(block(3, 8), block(8, 8, groups=2), nn.ChannelShuffle(2), block(8, 8, groups=2), head(8)),
        IMAGE,
    ),
    "dilated": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, dilation=2, padding="same"), nn.ReLU(), head(8)), IMAGE),
    "reflected": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), head(8)), IMAGE),
    "residual": (
        lambda: Applied(
            lambda net, x: net.head(torch.relu(net.first(x) + net.body(net.first(x)))),
            first=block(3, 8), body=block(8, 8), head=head(8),
        ),
        IMAGE,
    ),
    "dense connections": (
        lambda: Applied(
            lambda net, x: net.head(torch.cat([x, net.first(x), net.second(torch.cat([x, net.first(x)], 1))], 1)),
            first=block(3, 8), second=block(11, 8), head=head(19),
        ),
        IMAGE,
    ),
    "squeeze and excitation": (
        lambda: Applied(
            lambda net, x: net.head(net.first(x) * net.gate(net.first(x))),
            first=block(3, 8), head=head(8),
            gate=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.SiLU(), nn.Conv2d(2, 8, 1)),
        ),
        IMAGE,
    ),
    "U-Net": (u_net, IMAGE),
    "transposed": (lambda: nn.Sequential(block(3, 8), nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(4, 2, 1)), IMAGE),
    "pixel shuffle": (lambda: nn.Sequential(nn.Conv2d(3, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 2, 1)), IMAGE),
    "1-D convolutions": (lambda: nn.Sequential(nn.Conv1d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)), STEPS),
    "3-D convolutions": (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)),
        IMAGE,
    ),
    "LSTM": (lambda: recurrent(nn.LSTM), STEPS),
    "GRU": (lambda: recurrent(nn.GRU), STEPS),
    "recurrent cell": (
        lambda: Applied(
            lambda net, x: net.head(net.cell(x[:, 1], net.cell(x[:, 0]))), cell=nn.GRUCell(8, 6), head=nn.Linear(6, 5)
        ),
        STEPS,
    ),
    "attention": (lambda: attending(batch_first=True), STEPS),
    "transformer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(48, 5)
        ),
        STEPS,
    ),
    "transformer, norm first": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), nn.Flatten(), nn.Linear(48, 5)
        ),
        STEPS,
    ),
    "patches": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), nn.LayerNorm(4), nn.Flatten(), nn.Linear(32, 5)),
        IMAGE,
    ),
    "bilinear": (
        lambda: Applied(
            lambda net, x: net.head(net.pair(net.first(x), x)),
            first=nn.Linear(48, 8), pair=nn.Bilinear(8, 48, 6), head=nn.Linear(6, 5),
        ),
        FLAT,
    ),
    "experts": (
        lambda: Applied(
            lambda net, x: sum(
                torch.softmax(net.gate(x), 1)[:, number : number + 1] * expert(x)
                for number, expert in enumerate(net.experts)
            ),
            gate=nn.Linear(48, 3), experts=nn.ModuleList(nn.Linear(48, 5) for _ in range(3)),
        ),
        FLAT,
    ),
    "tied embedding and head": (tied, WORDS),
    "embedding bag": (lambda: nn.Sequential(nn.EmbeddingBag(11, 8), nn.Linear(8, 5)), WORDS),
    "masked by torch": (masked, FLAT),
    "weight norm": (lambda: nn.Sequential(weight_norm(nn.Linear(48, 16)), nn.Linear(16, 5)), FLAT),
    "half precision": (lambda: nn.Sequential(nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 5)).half(), FLAT),
    "group norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.PReLU(), head(8)), IMAGE),
    "instance norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), head(8)), IMAGE),
}  # fmt: skip
RECIPES: dict[str, tuple[Method, ...]] = {
    "as it came": (),
    "1 bit": (Uniform(bits=1),),
    "4 bits, asymmetric": (Uniform(bits=4, symmetric="no"),),
    "80 % zeros, k-means": (Magnitude(sparsity=0.8), KMeans(bits=3)),
    "half rank": (SVD(rank=0.5),),
    "half rank, half zeros, 8 bits": (SVD(rank=0.5), Magnitude(sparsity=0.5), Uniform(bits=8)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_about_that_network(kind: str, tmp_path: Path) -> None:
    made, shape = KINDS[kind]
    torch.manual_seed(0)
    module = made().eval()
    x = torch.randint(0, 11, (4, *shape)) if shape == WORDS else torch.randn(4, *shape)
    model = Model.from_module(module, x)
    for recipe, methods in RECIPES.items():
        compressed = compress(model, Recipe(tuple(Step(method) for method in methods)))
        own = copy.deepcopy(model.module)
        state = own.state_dict()
        for name, form in compressed.forms.items():
            state[f"{name}.weight"].copy_(torch.from_numpy(form.compose().copy()))
        path = compressed.save(tmp_path / "own.cwb")
        again = read(path, module)
        with torch.no_grad():
            expected = own(x)
            bound = 1e-4 * float(expected.abs().max()) + 1e-6
            for network in (compressed.to_torch(), compressed.packed(), again.to_torch(), again.packed()):
                torch.testing.assert_close(network(x), expected, rtol=0, atol=bound)
            if not methods:
                torch.testing.assert_close(module.float()(x), expected, rtol=1e-3, atol=bound)
        assert path.stat().st_size == compressed.size.value == again.size.value, recipe
        assert [layer.calls for layer in again.model.layers] == [layer.calls for layer in model.layers], recipe
