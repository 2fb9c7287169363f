"""A linear layer of which each input computes only the neurons that a lookup finds for it, and the work of that."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from workbench.lookup import Lookup

# torch says so once; the one product that is taken of it, sampled_addmm, has a test here.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


_NEWS = np.float32(0.05)  # what each batch adds to the running mean of inputs


@dataclass(frozen=True)
class Active:
    """The neurons that each input of a batch computes: columns[starts[i] : starts[i + 1]], ascending."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Whose neuron each is."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass
class Spent:
    """Multiplications of a layer in training: of its own products, of hashing inputs, of hashing neurons.

    inputs: that it had. neurons: that were computed for them. comparisons: made to find these.
    """

    products: int = 0
    hashing: int = 0
    rehashing: int = 0
    inputs: int = 0
    neurons: int = 0
    comparisons: int = 0

    @property
    def multiplications(self) -> int:
        return self.products + self.hashing + self.rehashing


class ActiveLayer:
    """Has a linear layer of a module compute found neurons alone, until `end`; the others give zero.

    Spring, Shrivastava, Scalable and sustainable deep learning via randomized hashing, KDD 2017, section 5. A neuron is
    found by its weights and bias; those met in the most tables are taken, and between equals the same ones
    each time, so that like inputs train like neurons. Since w · x + b = w · (x − m) + (b + w · m), m the mean of the
    inputs, what these have in common is no part of a query: else most of them would find the same neurons.
    """

    def __init__(self, layer: nn.Linear, made: Callable[[int], Lookup], share: float, seed: int) -> None:
        """made: a lookup for vectors of that length. share: of the neurons that are computed for an input at most."""
        self._layer, self._made = layer, made
        self._most = max(1, round(share * layer.out_features))
        self._preference = np.random.default_rng(seed).random(layer.out_features)
        self.spent = Spent()
        self._mean: NDArray[np.float32] | None = None  # of the inputs that it was trained with lately
        self.touched = np.zeros(layer.out_features, bool)  # by any input since it was last forgotten
        self.rehash()
        layer.forward = self._forward  # type: ignore[method-assign, assignment]

    def end(self) -> None:
        del self._layer.forward

    def rehash(self) -> None:
        """Look neurons up by the weights that they have now."""
        weight = self._layer.weight.detach().numpy()
        bias = np.zeros(len(weight), np.float32) if self._layer.bias is None else self._layer.bias.detach().numpy()
        self._middle = np.zeros(weight.shape[1], np.float32) if self._mean is None else self._mean
        vectors = np.concatenate([weight, (bias + weight @ self._middle)[:, None]], axis=1)
        self._lookup = self._made(vectors.shape[1])
        self._lookup.fit(vectors)
        self._lookup.insert(np.arange(len(vectors)), vectors)
        self.spent.rehashing += self._lookup.work.multiplications + weight.size

    def chosen(self, inputs: NDArray[np.float32]) -> tuple[Active, int]:
        """Which neurons inputs [n, in] compute, and the comparisons that it took."""
        queries = np.concatenate([inputs - self._middle, np.ones((len(inputs), 1), np.float32)], axis=1)
        found = self._lookup.query(queries)
        hits = found.hits(self._layer.out_features)
        order = hits + self._preference
        taken = np.zeros(hits.shape, bool)
        np.put_along_axis(taken, np.argpartition(-order, self._most - 1, axis=1)[:, : self._most], True, axis=1)
        taken &= hits > 0
        starts = np.concatenate([[0], np.cumsum(taken.sum(1))])
        return Active(starts, np.nonzero(taken)[1]), found.comparisons

    def _meet(self, inputs: NDArray[np.float32]) -> None:
        mean = inputs.mean(0)
        if self._mean is None:
            self._mean = mean
            self.rehash()
        else:
            self._mean = self._mean + _NEWS * (mean - self._mean)

    def _forward(self, x: Tensor) -> Tensor:
        inputs = x.reshape(-1, self._layer.in_features)
        if self._layer.training:
            self._meet(inputs.detach().numpy())
        active, comparisons = self.chosen(inputs.detach().numpy())
        if self._layer.training:
            passes = 1 + self._layer.weight.requires_grad + inputs.requires_grad  # forward, and two backward
            self.spent.products += passes * len(active.columns) * self._layer.in_features
            self.spent.hashing += len(inputs) * self._lookup.multiplications
            self.spent.inputs += len(inputs)
            self.spent.neurons += len(active.columns)
            self.spent.comparisons += comparisons
            self.touched[active.columns] = True
        bias = self._layer.bias if self._layer.bias is not None else torch.zeros(self._layer.out_features)
        found = cast(Tensor, _Products.apply(inputs, self._layer.weight, bias, active))
        return found.reshape(*x.shape[:-1], -1)


class _Products(torch.autograd.Function):
    """[n, out]: x · w + b of the active neurons, zero of the others; gradients are of the active ones alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, active: Active) -> Tensor:
        starts, columns, rows = (torch.from_numpy(one) for one in (active.starts, active.columns, active.rows))
        pattern = torch.sparse_csr_tensor(
            starts, columns, torch.zeros(len(columns)), (len(x), len(weight)), check_invariants=False
        )
        sums = torch.sparse.sampled_addmm(pattern, x, weight.T, beta=0.0).values() + bias[columns]
        ctx.save_for_backward(x, weight)
        ctx.active = active
        return torch.zeros(len(x), len(weight)).index_put_((rows, columns), sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = (one.detach().numpy() for one in ctx.saved_tensors)
        active: Active = ctx.active
        values = gradients[0].detach().numpy()[active.rows, active.columns]
        sparse = csr_matrix((values, active.columns, active.starts), (len(x), len(weight)))
        needed = ctx.needs_input_grad
        of_x = torch.from_numpy(sparse @ weight) if needed[0] else None
        of_weight = torch.from_numpy(sparse.T.tocsr() @ x) if needed[1] else None
        sums = np.bincount(active.columns, values, len(weight)).astype(np.float32)
        return of_x, of_weight, torch.from_numpy(sums) if needed[2] else None, None
