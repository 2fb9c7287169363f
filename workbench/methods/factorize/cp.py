"""CP decomposition: a k×k convolution becomes a 1×1, two depthwise ones along each axis, and a 1×1."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.evidence import Layout
from workbench.kernels.threads.blas import one_thread
from workbench.method import Layerwise, setting
from workbench.weights.form import POINT, Factor, Form, Passage
from workbench.weights.part import Part

Matrix = NDArray[np.float64]

_ROUNDS = 60
_STILL = 1e-5  # relative change of the error at which it is taken to have converged
_RIDGE = 1e-10  # of the mean squared norm, so that nearly parallel components can be told apart
_STIR = 0.05
_DEGENERATE = 100.0  # times the norm of the kernel that a component may have before it is reported


@dataclass(frozen=True)
class CP(Layerwise):
    """K ≈ Σ_r d_r ∘ c_r ∘ a_r ∘ b_r over [out, in, kh, kw], by alternating least squares from the HOSVD's vectors.

    R = round(rank · n / (out + in + kh + kw)), so that the factors of rank 1 (the full share) hold as many weights as
    the layer. No best approximation of a rank need exist: components may grow without bound and cancel each other
    (de Silva, Lim 2008), which is then said of the layer.
    """

    catalogue = ("FA-03",)
    title = "CP decomposition"
    paper = "Lebedev, Ganin, Rakhuba, Oseledets, Lempitsky, Speeding-up convolutional networks, ICLR 2015, section 3"
    faithful = False

    rank: float = setting(
        1.0, "Weights of the factors for each weight of the layer, about.", unit="share", low=0.0, high=1.0, step=0.01,
        axis="rank",
    )  # fmt: skip

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.kind == "linear":
            return "is a linear layer, whose CP form is the SVD"
        return layout.unfactorable or ("is factored already" if form.factored else None)

    def compress(self, form: Form, decision: Hashable) -> Form:
        kernel = form.compose().astype(np.float64)
        rank = max(1, round(self.rank * kernel.size / sum(kernel.shape)))
        sides, _ = decompose(kernel, rank)
        norms = [np.maximum(np.linalg.norm(side, axis=0), 1e-300) for side in sides]
        share = math.prod(norms) ** 0.25  # each factor takes the same part of a component's size
        last, first, rows, columns = (side / norm * share for side, norm in zip(sides, norms, strict=True))
        return Form(
            (
                Factor(Part.of(first.T[:, :, None, None]), POINT),
                Factor(Part.of(rows.T[:, None, :, None]), Passage(rows=True, columns=False, groups=rank)),
                Factor(Part.of(columns.T[:, None, None, :]), Passage(rows=False, columns=True, groups=rank)),
                Factor(Part.of(last[:, :, None, None]), POINT),
            )
        )

    def remark(self, before: Form, after: Form) -> str | None:
        """How large the largest component is beside the kernel, where that shows that no best approximation exists."""
        first, rows, columns, last = (part.values.astype(np.float64) for part in after.parts)
        sizes = [np.linalg.norm(side.reshape(len(side), -1), axis=1) for side in (first, rows, columns)]
        largest = float((math.prod(sizes) * np.linalg.norm(last[:, :, 0, 0], axis=0)).max(initial=0.0))
        whole = float(np.linalg.norm(before.compose()))
        if whole == 0 or largest <= _DEGENERATE * whole:
            return None
        return (
            f"The decomposition is degenerate: its largest component is {largest / whole:,.0f} times as large as the "
            "kernel, and components cancel each other; another rank may do better."
        )


@one_thread()
def decompose(kernel: Matrix, rank: int, rounds: int = _ROUNDS) -> tuple[list[Matrix], list[float]]:
    """One matrix [side, rank] for each axis, and the error's Frobenius norm after each round, which never grows."""
    largest = float(np.abs(kernel).max(initial=0.0))
    if largest == 0.0:
        return [np.zeros((side, rank)) for side in kernel.shape], [0.0]
    scale = 2.0 ** math.frexp(largest)[1]  # squares of very small weights would be lost
    kernel = kernel / scale
    random = np.random.default_rng(0)
    sides = [_start(kernel, axis, rank, random) for axis in range(kernel.ndim)]
    unfolded = [np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1) for axis in range(kernel.ndim)]
    whole, errors = float((kernel**2).sum()), []
    for _ in range(rounds):
        for axis in range(kernel.ndim):
            still_wanted()
            others = [side for place, side in enumerate(sides) if place != axis]
            gram = math.prod(side.T @ side for side in others)
            image = unfolded[axis] @ _khatri_rao(others)
            ridge = _RIDGE * np.trace(gram) / rank * np.eye(rank)
            sides[axis] = np.linalg.solve(gram + ridge, (image + sides[axis] @ ridge).T).T
        explained = 2 * float((image * sides[-1]).sum()) - float((gram * (sides[-1].T @ sides[-1])).sum())
        errors.append(math.sqrt(max(whole - explained, 0.0)))
        if len(errors) > 1 and errors[-2] - errors[-1] <= _STILL * errors[-2]:
            break
    sides[-1] = sides[-1] * scale
    return sides, [error * scale for error in errors]


def _start(kernel: Matrix, axis: int, rank: int, random: np.random.Generator) -> Matrix:
    """Leading singular vectors along `axis`, and random ones beyond their number."""
    unfolded = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    _, vectors = np.linalg.eigh(unfolded @ unfolded.T)
    leading = vectors[:, ::-1][:, :rank]
    start = np.concatenate([leading, random.normal(size=(len(leading), rank - leading.shape[1]))], axis=1)
    return start + _STIR * random.normal(size=start.shape)  # exact singular vectors may be a saddle, and stay there


def _khatri_rao(sides: list[Matrix]) -> Matrix:
    """Column by column, the outer product of all sides: [product of their lengths, rank]."""
    product = sides[0]
    for side in sides[1:]:
        product = (product[:, None, :] * side[None, :, :]).reshape(-1, side.shape[1])
    return product
