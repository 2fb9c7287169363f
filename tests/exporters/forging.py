"""Networks that use every encoding, and files taken apart and sealed again with the right digest."""

from __future__ import annotations

import copy
import hashlib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from tests import naive
from tests.chains import channel, spatial
from workbench.compression.compressed import CompressedModel
from workbench.exporters.binary_json import digest, pack, read_number, unpack
from workbench.exporters.packed import DIGEST_SIZE, MAGIC, VERSION, announced
from workbench.network.model import Model
from workbench.weights.choice import named
from workbench.weights.form import Form
from workbench.weights.grouping import Granularity, Grouping
from workbench.weights.levels import Levels
from workbench.weights.levels.affine import Affine, symmetric_zero_point
from workbench.weights.levels.binary_bases import BinaryBases
from workbench.weights.levels.codebook import Codebook
from workbench.weights.levels.fixed_point import FixedPoint
from workbench.weights.levels.floating_point import FloatingPoint
from workbench.weights.levels.hashed import Hashed
from workbench.weights.levels.hashed_inputs import HashedInputs
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.levels.powers_per_filter import PowersPerFilter
from workbench.weights.levels.residual_vectors import ResidualVectors
from workbench.weights.levels.shifted_signs import ShiftedSigns
from workbench.weights.levels.signs import Signs
from workbench.weights.levels.ternary import Ternary
from workbench.weights.levels.vectors import Vectors
from workbench.weights.levels.widths_per_weight import WidthsPerWeight
from workbench.weights.part import Part

BEFORE = len(MAGIC) + 1 + DIGEST_SIZE  # the length of the header


def _weights(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(20, 20)).astype(np.float32)


OTHER_KINDS: tuple[Levels, ...] = (
    BinaryBases(np.array([0.5, 0.2, 0.1], np.float32)),
    FixedPoint(2, 8),
    FloatingPoint(5, 2),
    Hashed.fitted(_weights(10), 25, 1),
    HashedInputs.of(_weights(13), 9, 2),
    PowersOfTwo.over(_weights(11), 1),
    PowersPerFilter.over(_weights(17), (np.arange(20) % 4).astype(np.uint8)),
    ShiftedSigns(np.array([-0.5, 0.1], np.float32), np.array([0.4, 0.3], np.float32)),
    Signs(),
    Ternary(0.5),
    WidthsPerWeight((20, 20), np.random.default_rng(18).integers(0, 9, (20, 20)).astype(np.uint8), 3.0),
    Vectors((20, 20), np.random.default_rng(12).normal(size=(7, 4, 3)).astype(np.float32)),
    ResidualVectors(
        tuple(
            Vectors((20, 20), np.random.default_rng(seed).normal(size=(7, 4, 3)).astype(np.float32))
            for seed in (14, 15, 16)
        )
    ),
)
PATTERNS = ("n-m", "block", "channels")  # of zeros
CODED = (
    "codebook+context-coder",
    "codebook+huffman",
    "relative-index+huffman",
    "relative-index+range-coder",
    "bitmap+range-coder",
)


class Net(nn.Module):
    """A layer for each way of storing a tensor; a batch norm, and a weight that two layers share."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, 6, 3, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.wide = nn.Conv2d(6, 8, 3, stride=2, bias=False)
            self.flat = nn.Flatten()
            self.a = nn.Linear(72, 20)
            self.b = nn.Linear(20, 20)
            self.c = nn.Linear(20, 20, bias=False)
            self.d = nn.Linear(20, 30)
            self.e = nn.Linear(30, 4)
            self.again = nn.Linear(20, 20)
            self.again.weight = self.c.weight
            self.more = nn.Sequential(*(nn.Linear(20, 20, bias=False) for _ in (*OTHER_KINDS, *PATTERNS, *CODED)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.flat(torch.relu(self.wide(self.norm(self.conv(x)))))
        x = self.again(torch.relu(self.c(self.more(torch.relu(self.b(torch.relu(self.a(x))))))))
        return self.e(torch.relu(self.d(x)))


def _patterned(pattern: str, seed: int) -> Any:
    weights = _weights(seed)
    if pattern == "channels":
        weights[::2], weights[:, ::3] = 0, 0
        return weights
    zero = (weights < 0) & (pattern == "block")
    return np.where(naive.in_pattern(zero, pattern), 0, weights)


def _skewed(dense: bool, seed: int) -> Part:
    """Codes and zeros of which some are far more frequent than others, as a coder wants them."""
    rng = np.random.default_rng(seed)
    levels = Codebook(6, np.sort(rng.normal(size=64)).astype(np.float32))
    codes = np.minimum(rng.geometric(0.4, (20, 20)), 63).astype(np.uint8)
    return Part.on_levels(levels, codes, rng.random((20, 20)) < (0 if dense else 0.9))


def example() -> torch.Tensor:
    return torch.zeros(1, 1, 8, 8)


def _zeros(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> Any:
    return rng.random(shape) < share


def _on_grid(shape: tuple[int, ...], bits: int, per: Granularity, symmetric: bool, share: float, seed: int) -> Part:
    rng, grouping = np.random.default_rng(seed), Grouping(per)
    groups = grouping.count(shape)
    points = np.full(groups, symmetric_zero_point(bits)) if symmetric else rng.integers(0, 2**bits, groups)
    scale = rng.uniform(0.01, 0.02, groups).astype(np.float32)
    levels = Affine(bits, grouping, scale, points.astype(np.float32), symmetric)
    return Part.on_levels(levels, rng.integers(0, 2**bits, shape).astype(np.uint8), _zeros(shape, share, rng))


def _in_table(shape: tuple[int, ...], centroids: int, share: float, seed: int) -> Part:
    rng = np.random.default_rng(seed)
    levels = Codebook((centroids - 1).bit_length(), np.sort(rng.normal(size=centroids)).astype(np.float32))
    return Part.on_levels(levels, rng.integers(0, centroids, shape).astype(np.uint8), _zeros(shape, share, rng))


@cache
def every_encoding() -> CompressedModel:
    """A network whose layers are stored in every encoding there is, two of them behind rounded inputs."""
    model = Model.from_module(Net(), example(), name="every encoding")
    rng = np.random.default_rng(1)
    vertical, horizontal = rng.normal(size=(3, 6, 3, 1)), _on_grid((8, 3, 1, 3), 5, "channel", True, 0.5, 2)
    first, second = _in_table((4, 20), 6, 0.0, 3), _on_grid((30, 4), 3, "group", False, 0.2, 4)
    forms = {
        "conv": ("dense", Form.of(model.layer("conv").weight)),
        "wide": ("factored", spatial(Part.of(vertical), horizontal)),
        "a": ("relative-index", Form.whole(_on_grid((20, 72), 4, "group", False, 0.95, 5))),
        "b": ("affine", Form.whole(_on_grid((20, 20), 3, "channel", False, 0.3, 6))),
        "c": ("codebook", Form.whole(_in_table((20, 20), 11, 0.3, 7))),
        "d": ("factored", channel(first, second)),
        **{
            f"more.{place}": (levels.kind, Form.whole(Part.of(_weights(20 + place)).rounded(levels)))
            for place, levels in enumerate(OTHER_KINDS)
        },
        **{
            f"more.{place}": (pattern, Form.of(_patterned(pattern, place)))
            for place, pattern in enumerate(PATTERNS, len(OTHER_KINDS))
        },
        **{
            f"more.{place}": (name, Form.whole(_skewed("codebook" in name, place)))
            for place, name in enumerate(CODED, len(OTHER_KINDS) + len(PATTERNS))
        },
        "e": ("bitmap", Form.whole(_in_table((4, 30), 5, 0.7, 8))),
    }
    ordered = {layer.name: forms[layer.name] for layer in model.layers}
    given = {name: named(encoding, form) for name, (encoding, form) in ordered.items()}
    decoded = {name: encoding.decode() for name, encoding in given.items()}
    grid = Affine(3, Grouping("tensor"), np.full(1, 0.1, np.float32), np.full(1, 2, np.float32), symmetric=False)
    for name, entering in (("wide", Signs()), ("e", grid)):
        decoded[name] = decoded[name].with_entering(entering)
    return CompressedModel(model, MappingProxyType(decoded), given=MappingProxyType(given))


def taken_apart(content: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header's object and the arrays in file order."""
    length, start = read_number(content, BEFORE)
    header = copy.deepcopy(unpack(content[start : start + length]))
    arrays, start = [], start + length
    for size in _sizes(header):
        arrays.append(content[start : start + size])
        start += size
    assert start == len(content)
    return header, arrays


def sealed(header: Any, arrays: list[bytes], version: int = VERSION) -> bytes:
    """A file of this header (an object, or raw bytes) and these arrays, with the digest that it must have."""
    raw = header if isinstance(header, bytes) else pack(header)
    body = announced(len(raw)) + raw + b"".join(arrays)
    return resealed(MAGIC + bytes([version]) + bytes(DIGEST_SIZE) + body)


def resealed(content: bytes) -> bytes:
    """The same file with the digest that it must have."""
    opening, body = content[: BEFORE - DIGEST_SIZE], content[BEFORE:]
    return opening + hashlib.blake2b(opening + body, digest_size=DIGEST_SIZE, person=digest()).digest() + body


def with_sizes(header: dict[str, Any], arrays: list[bytes]) -> dict[str, Any]:
    """The header with the sizes of these arrays in its layers."""
    header, left = copy.deepcopy(header), iter(arrays)
    for layer in header["layers"]:
        layer["arrays"] = {name: len(next(left)) for name in layer["arrays"]}
    return header


def names(header: dict[str, Any]) -> list[str]:
    """Of the layers."""
    return [layer[0] for layer in header["network"]["layers"]]


def _sizes(header: dict[str, Any]) -> list[int]:
    weights = [size for layer in header["layers"] for size in layer["arrays"].values()]
    rest = header["network"]["rest"]
    return weights + [int(np.prod(shape)) * np.dtype(dtype).itemsize for _, dtype, shape in rest]


def written(compressed: CompressedModel, folder: Path) -> bytes:
    return compressed.save(folder / "written.cwb").read_bytes()
