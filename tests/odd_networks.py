"""Small networks whose channels go odd ways, without a zero or a one in them that would hide a fault."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from workbench.network.model import Model

IMAGE = (1, 4, 8, 8)


def with_values(module: nn.Module) -> nn.Module:
    """With biases, and batch norms that move every channel away from zero."""
    generator = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
            if tensor.ndim > 1:
                tensor -= 0.6
    return module.eval()


def model_of(module: nn.Module, shape: tuple[int, ...] = IMAGE) -> Model:
    return Model.from_module(with_values(module), torch.zeros(shape), name="odd")


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.a, self.b = nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        x = self.summed(x, self.b(torch.relu(self.a(x))))
        return self.head(x.mean((2, 3)))

    def summed(self, x, y):
        return x + y


class Shuffled(nn.Module):
    """Depthwise, grouped and shuffled by hand, then split unevenly and put together in another order."""

    def __init__(self):
        super().__init__()
        self.a, self.depth = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped, self.b = nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(3, 5, 1)
        self.head = nn.Linear((5 + 5) * 64, 3)

    def forward(self, x):
        x = self.depth(F.relu(self.a(x)))
        n, c, h, w = x.shape
        x = self.joined(x.view(n, 2, c // 2, h, w).transpose(1, 2), (n, c, h, w))
        x = F.relu(self.grouped(x))
        few, many = torch.split(x, [3, 5], dim=1)
        return self.head(torch.flatten(torch.cat([many, self.b(few)], 1), 1))

    def joined(self, x, shape):
        return x.reshape(shape)


class Attending(nn.Module):
    """Attention of four heads, written out, over tokens of 16 numbers; their mean is classified."""

    shape = (1, 5, 16)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = (layer(x).view(n, tokens, 4, 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = self.attended(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        return self.head(self.o(mixed).mean(1))

    def attended(self, q, k, v):
        return torch.softmax(q @ k.transpose(-1, -2) / 2, -1) @ v


class AttendingInOne(Attending):
    def attended(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


class AttendingFused(Attending):
    """Queries, keys and values from one layer; sizes are unpacked by a star, and Python takes a root of one."""

    def __init__(self):
        super().__init__()
        del self.q, self.k, self.v
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        looking = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.size(-1)), -1)
        return self.head(self.o((looking @ v).transpose(1, 2).flatten(2)).mean(1))


class OneHead(Attending):
    def forward(self, x):
        return self.head(self.o(self.attended(self.q(x), self.k(x), self.v(x))).mean(1))


class OneHeadInOne(AttendingInOne, OneHead):
    pass


class SharedKeys(AttendingInOne):
    """Four heads of queries that look at the same keys and values."""

    def __init__(self):
        super().__init__()
        self.k, self.v = nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, x):
        q = self.q(x).unflatten(-1, (4, 4)).transpose(1, 2)
        mixed = self.attended(q, self.k(x).unsqueeze(1), self.v(x).unsqueeze(1))
        return self.head(self.o(mixed.transpose(1, 2).flatten(2)).mean(1))
