"""Networks of many public kinds, built from torch alone, and what is known of each by closed forms."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from workbench.method import Method
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform


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


class TransposedLinear(nn.Module):
    """A linear layer whose weight is [in, out], as GPT-2 has it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.randn(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).reshape(*x.shape[:-1], -1)


class Functional(nn.Module):
    """Weights that no layer holds, multiplied in four ways."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(24, 48)), nn.Parameter(torch.randn(24, 16))
        self.third, self.last = nn.Parameter(torch.randn(2, 8, 16)), nn.Parameter(torch.randn(5, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(functional.linear(x, self.first)) @ self.second
        x = torch.einsum("ni,koi->nko", x, self.third).flatten(1)
        return torch.mm(self.last, x.t()).t()


class LowRankUpdate(nn.Linear):
    """LoRA (Hu et al. 2021)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.down, self.up = nn.Linear(inputs, 2, bias=False), nn.Linear(2, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + self.up(self.down(x))


class Masked(nn.Module):
    """Attention behind a mask of minus infinities that is saved with the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.head = nn.Linear(8, 24), nn.Linear(48, 5)
        self.register_buffer("mask", torch.full((6, 6), -torch.inf).triu(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.project(x).chunk(3, -1)
        seen = torch.softmax(query @ key.transpose(1, 2) + self.mask, -1)
        return self.head((seen @ value).flatten(1))


class FakeQuantised(nn.Linear):
    """Quantisation-aware: its weight is rounded to 8 bits in every pass, as Jacob et al. (2018) train it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.weight.abs().amax() / 127
        return functional.linear(x, torch.round(self.weight / scale).clamp(-127, 127) * scale, self.bias)


@dataclass(frozen=True)
class Kind:
    """A network's first weights are drawn by `make`; it takes `shape`, without the batch.

    macs: of one input, by closed form; a padded zero counts. beside: tensors of two axes and more that are no layer's,
    with what reads them.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    macs: int
    beside: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()


def conv(outputs: int, inputs: int, kernel: int, positions: int) -> int:
    return outputs * inputs * kernel * positions


def attention(rows: int, width: int) -> int:
    """Of queries, keys, values and outputs, and of the two products between rows, whatever the number of heads."""
    return 4 * rows * width**2 + 2 * rows**2 * width


IMAGE, STEPS, FLAT, WORDS = (3, 8, 8), (6, 8), (48,), (6,)
KINDS: dict[str, Kind] = {
    "perceptron": Kind(
        lambda: nn.Sequential(nn.Linear(48, 24), nn.GELU(), nn.Linear(24, 5)), FLAT, 48 * 24 + 24 * 5
    ),
    "plain convolutions": Kind(
        lambda: nn.Sequential(block(3, 8), block(8, 16, stride=2), head(16)),
        IMAGE, conv(8, 3, 9, 64) + conv(16, 8, 9, 16) + 16 * 5,
    ),
    "grouped": Kind(
        lambda: nn.Sequential(block(3, 8), block(8, 16, groups=4), head(16)),
        IMAGE, conv(8, 3, 9, 64) + conv(16, 2, 9, 64) + 16 * 5,
    ),
    "depthwise": Kind(
        lambda: nn.Sequential(block(3, 8), block(8, 8, groups=8), nn.Conv2d(8, 16, 1), head(16)),
        IMAGE, conv(8, 3, 9, 64) + conv(8, 1, 9, 64) + conv(16, 8, 1, 64) + 16 * 5,
    ),
    "shuffled": Kind(
        lambda: nn.Sequential(block(3, 8), block(8, 8, groups=2), nn.ChannelShuffle(2), block(8, 8, groups=2), head(8)),
        IMAGE, conv(8, 3, 9, 64) + 2 * conv(8, 4, 9, 64) + 8 * 5,
    ),
    "dilated": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, dilation=2, padding="same"), nn.ReLU(), head(8)),
        IMAGE, conv(8, 3, 9, 64) + 8 * 5,
    ),
    "reflected": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), head(8)),
        IMAGE, conv(8, 3, 9, 64) + 8 * 5,
    ),
    "residual": Kind(
        lambda: Applied(
            lambda net, x: net.head(torch.relu(net.first(x) + net.body(net.first(x)))),
            first=block(3, 8), body=block(8, 8), head=head(8),
        ),
        IMAGE, 2 * conv(8, 3, 9, 64) + conv(8, 8, 9, 64) + 8 * 5,
    ),
    "dense connections": Kind(
        lambda: Applied(
            lambda net, x: net.head(torch.cat([x, net.first(x), net.second(torch.cat([x, net.first(x)], 1))], 1)),
            first=block(3, 8), second=block(11, 8), head=head(19),
        ),
        IMAGE, 2 * conv(8, 3, 9, 64) + conv(8, 11, 9, 64) + 19 * 5,
    ),
    "squeeze and excitation": Kind(
        lambda: Applied(
            lambda net, x: net.head(net.first(x) * net.gate(net.first(x))),
            first=block(3, 8), head=head(8),
            gate=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.SiLU(), nn.Conv2d(2, 8, 1)),
        ),
        IMAGE, 2 * conv(8, 3, 9, 64) + 2 * 16 + 8 * 5,
    ),
    "U-Net": Kind(
        u_net, IMAGE, conv(8, 3, 9, 64) + conv(16, 8, 9, 16) + conv(8, 16, 4, 16) + 16 * 5
    ),
    "transposed": Kind(
        lambda: nn.Sequential(
            block(3, 8), nn.ConvTranspose2d(8, 4, 3, 2, groups=2), nn.PReLU(), nn.Conv2d(4, 2, 1)
        ),
        IMAGE, conv(8, 3, 9, 64) + conv(4, 4, 9, 64) + conv(2, 4, 1, 17 * 17),
    ),
    "pixel shuffle": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 2, 1)),
        IMAGE, conv(16, 3, 9, 36) + conv(2, 4, 1, 144),
    ),
    "1-D convolutions": Kind(
        lambda: nn.Sequential(
            nn.Conv1d(6, 8, 3, padding="same"), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 4, 3, 2, 1, groups=2),
            nn.ConvTranspose1d(4, 4, 2, 2), nn.Flatten(), nn.Linear(32, 5),
        ),
        STEPS, conv(8, 6, 3, 8) + conv(4, 4, 3, 4) + conv(4, 4, 2, 4) + 32 * 5,
    ),
    "3-D convolutions": Kind(
        lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)),
        IMAGE, conv(4, 1, 27, 36) + 144 * 5,
    ),
    "LSTM": Kind(lambda: recurrent(nn.LSTM), STEPS, 6 * 4 * 6 * (8 + 6) + 6 * 5),
    "LSTM, two layers, both ways, projected": Kind(
        lambda: Applied(
            lambda net, x: net.head(net.cell(x)[0][:, -1]), head=nn.Linear(6, 5),
            cell=nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True, proj_size=3),
        ),
        STEPS, 2 * 6 * (24 * (8 + 3) + 24 * (6 + 3) + 2 * 6 * 3) + 6 * 5,
    ),
    "GRU": Kind(lambda: recurrent(nn.GRU), STEPS, 6 * 3 * 6 * (8 + 6) + 6 * 5),
    "recurrent cell": Kind(
        lambda: Applied(
            lambda net, x: net.head(net.cell(x[:, 1], net.cell(x[:, 0]))), cell=nn.GRUCell(8, 6), head=nn.Linear(6, 5)
        ),
        STEPS, 2 * 3 * 6 * (8 + 6) + 6 * 5,
    ),
    "attention": Kind(lambda: attending(batch_first=True), STEPS, 3 * 6 * 8 * 8 + attention(6, 8) + 48 * 5),
    "transformer": Kind(
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(48, 5)
        ),
        STEPS, attention(6, 8) + 2 * 6 * 8 * 16 + 48 * 5,
    ),
    "transformer, norm first": Kind(
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), nn.Flatten(), nn.Linear(48, 5)
        ),
        STEPS, attention(6, 8) + 2 * 6 * 8 * 16 + 48 * 5,
    ),
    "GPT-2's linear layers": Kind(
        lambda: nn.Sequential(TransposedLinear(8, 16), nn.GELU(), TransposedLinear(16, 4), nn.Flatten()),
        STEPS, 6 * (8 * 16 + 16 * 4),
    ),
    "weights in functions": Kind(Functional, FLAT, 48 * 24 + 24 * 16 + 2 * 8 * 16 + 5 * 16),
    "low-rank update": Kind(
        lambda: nn.Sequential(LowRankUpdate(48, 24), nn.ReLU(), nn.Linear(24, 5)),
        FLAT, 48 * 24 + 2 * (48 + 24) + 24 * 5,
    ),
    "causal mask": Kind(Masked, STEPS, 3 * 6 * 8 * 8 + 2 * 6 * 6 * 8 + 48 * 5, beside=("mask",)),
    "patches": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), nn.LayerNorm(4), nn.Flatten(), nn.Linear(32, 5)),
        IMAGE, conv(8, 3, 16, 4) + 32 * 5,
    ),
    "bilinear": Kind(
        lambda: Applied(
            lambda net, x: net.head(net.pair(net.first(x), x)),
            first=nn.Linear(48, 8), pair=nn.Bilinear(8, 48, 6), head=nn.Linear(6, 5),
        ),
        FLAT, 48 * 8 + 6 * 5, beside=("pair.weight",), uncounted=("aten._trilinear",),
    ),
    "experts": Kind(
        lambda: Applied(
            lambda net, x: sum(
                torch.softmax(net.gate(x), 1)[:, number : number + 1] * expert(x)
                for number, expert in enumerate(net.experts)
            ),
            gate=nn.Linear(48, 3), experts=nn.ModuleList(nn.Linear(48, 5) for _ in range(3)),
        ),
        FLAT, 3 * 48 * 3 + 3 * 48 * 5,
    ),
    "embedding and head": Kind(
        lambda: nn.Sequential(nn.Embedding(11, 16), nn.Flatten(), nn.Linear(96, 11)), WORDS, 96 * 11
    ),
    "tied embedding and head": Kind(tied, WORDS, 6 * 16 * 16 + 16 * 11),
    "embedding bag": Kind(lambda: nn.Sequential(nn.EmbeddingBag(11, 8), nn.Linear(8, 5)), WORDS, 8 * 5),
    "masked by torch": Kind(masked, FLAT, 48 * 24 + 24 * 5),
    "weight norm": Kind(
        lambda: nn.Sequential(weight_norm(nn.Linear(48, 16)), nn.Linear(16, 5)), FLAT, 48 * 16 + 16 * 5
    ),
    "fake-quantised": Kind(
        lambda: nn.Sequential(FakeQuantised(48, 24), nn.ReLU(), nn.Linear(24, 5)), FLAT, 48 * 24 + 24 * 5
    ),
    "half precision": Kind(
        lambda: nn.Sequential(nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 5)).half(), FLAT, 48 * 16 + 16 * 5
    ),
    "group norm": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.PReLU(), head(8)),
        IMAGE, conv(8, 3, 9, 36) + 8 * 5,
    ),
    "instance norm": Kind(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), head(8)),
        IMAGE, conv(8, 3, 9, 36) + 8 * 5,
    ),
}  # fmt: skip
RECIPES: dict[str, tuple[Method, ...]] = {
    "as it came": (),
    "1 bit": (Uniform(bits=1),),
    "4 bits, asymmetric": (Uniform(bits=4, symmetric="no"),),
    "80 % zeros, k-means": (Magnitude(sparsity=0.8), KMeans(bits=3)),
    "half rank": (SVD(rank=0.5),),
    "half rank, half zeros, 8 bits": (SVD(rank=0.5), Magnitude(sparsity=0.5), Uniform(bits=8)),
}


def input_of(kind: str, batch: int) -> torch.Tensor:
    """[batch, ...], random: words are whole numbers."""
    shape = KINDS[kind].shape
    return torch.randint(0, 11, (batch, *shape)) if shape == WORDS else torch.randn(batch, *shape)
