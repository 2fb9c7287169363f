"""Groups of weights that are shrunk together until they are exactly zero: the proximal step of a group lasso."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.evidence import Channel, Joint
from workbench.weights.form import Form

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Held:
    """A tensor of the network that holds a layer's weight. bias: the one that holds its bias, if it has any."""

    name: str
    shape: tuple[int, ...]
    bias: str | None = None


@dataclass(frozen=True)
class Piece:
    """What groups hold of one tensor: group g its entry `places[g]` along the axes `axes`, and all along the others."""

    tensor: str
    axes: tuple[int, ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class Groups:
    """As many groups as each piece has places. size: how many weights one holds."""

    pieces: tuple[Piece, ...]
    size: int

    def norms(self, module: nn.Module) -> Tensor:
        """[groups]: the ℓ2 norm of each."""
        squares = [_chosen(module.get_parameter(one.tensor).detach(), one).square().sum(1) for one in self.pieces]
        return sum(squares[1:], squares[0]).sqrt()

    def shrink(self, module: nn.Module, amount: float) -> None:
        """w_g ← w_g · max(0, 1 − amount / ‖w_g‖), in place: the proximal step of amount · ‖w_g‖."""
        self._scale(module, (1 - amount / self.norms(module).clamp(min=1e-30)).clamp(min=0))

    def holding_zeros(self, module: nn.Module) -> Callable[[], None]:
        """What makes groups zero again of which nothing is left now."""
        left = (self.norms(module) != 0).float()
        return lambda: self._scale(module, left)

    def _scale(self, module: nn.Module, factors: Tensor) -> None:
        """factors: [groups]."""
        import torch

        with torch.no_grad():
            for one in self.pieces:
                tensor = module.get_parameter(one.tensor)
                kept = [size if axis in one.axes else 1 for axis, size in enumerate(tensor.shape)]
                scale = torch.ones(math.prod(kept))
                scale[list(one.places)] = factors
                tensor.mul_(scale.reshape(kept))


def _chosen(tensor: Tensor, piece: Piece) -> Tensor:
    """[groups, weights of each in that tensor]."""
    others = [axis for axis in range(tensor.ndim) if axis not in piece.axes]
    groups = math.prod(tensor.shape[axis] for axis in piece.axes)
    return tensor.permute(*piece.axes, *others).reshape(groups, -1)[list(piece.places)]


def of_channels(
    clusters: Iterable[Sequence[Channel]], forms: Mapping[str, Form], tensors: Mapping[str, Held]
) -> list[Groups]:
    """Every output channel with its bias and batch norm, so that nothing of it is left where its group is zero.

    Channels that live and die together are one group; tensors: of each layer.
    """
    found = []
    for cluster in clusters:
        places: dict[tuple[str, int], list[int]] = defaultdict(list)
        for channel in cluster:
            held: Counter[str] = Counter()
            for tensor, row in [*((tensors[layer].name, row) for layer, row in channel.rows), *channel.beside]:
                places[tensor, held[tensor]].append(row)  # a head holds several rows of one layer
                held[tensor] += 1
        pieces = tuple(Piece(tensor, (0,), tuple(of)) for (tensor, _), of in places.items())
        if all(len(piece.places) == len(cluster) for piece in pieces):  # channels hold as many of each
            weights = sum(forms[layer].weights // forms[layer].shape[0] for layer, _ in cluster[0].rows)
            found.append(Groups(pieces, weights + len(cluster[0].beside)))
    return found


def of_columns(tensors: Mapping[str, Held], *, by_place: bool) -> list[Groups]:
    """Of each layer what one input channel is multiplied with; by_place: at one place of the kernel."""
    found = []
    for held in tensors.values():
        axes = tuple(range(1, len(held.shape))) if by_place else (1,)
        count = math.prod(held.shape[axis] for axis in axes)
        piece = Piece(held.name, axes, tuple(range(count)))
        found.append(Groups((piece,), math.prod(held.shape) // max(count, 1)))
    return found


def of_branches(joints: Iterable[Joint], forms: Mapping[str, Form], tensors: Mapping[str, Held]) -> list[Groups]:
    """Of each branch that is added to something else its whole last layer, with the bias and batch norms behind it."""
    found = []
    for joint in joints:
        for branch in () if joint.alone else joint.branches:
            layer = branch.rows[0][0]
            if layer in tensors:
                names = [tensors[layer].name, *sorted({tensor for tensor, _ in branch.beside})]
                pieces = tuple(Piece(name, (), (0,)) for name in names)
                found.append(Groups(pieces, forms[layer].weights + len(branch.beside)))
    return found


def of_biases(tensors: Mapping[str, Held]) -> list[Groups]:
    """Of each layer that has them, every bias by itself."""
    return [
        Groups((Piece(held.bias, (0,), tuple(range(held.shape[0]))),), 1)
        for held in tensors.values()
        if held.bias is not None
    ]
