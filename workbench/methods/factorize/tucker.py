"""Tucker-2: a k×k convolution becomes a 1×1, a smaller k×k and a 1×1 convolution."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.errors import still_wanted
from workbench.evidence import Layout
from workbench.kernels.threads.blas import one_thread
from workbench.method import Layerwise, setting
from workbench.methods.factorize._spectrum import basis, once
from workbench.weights.form import POINT, WHOLE, Factor, Form
from workbench.weights.part import Part

_ROUNDS = 10
_bases: Cache[tuple[NDArray[np.float64], NDArray[np.float64]]] = Cache(ceiling=64 * 2**20)


@dataclass(frozen=True)
class Tucker(Layerwise):
    """K [out, in, kh, kw] ≈ core [r_out, r_in, kh, kw] ×₁ B [out, r_out] ×₂ A [in, r_in], r = round(rank · channels).

    The bases are the leading singular vectors of K unfolded along either kind of channels (HOSVD); the alternating
    refinement takes those of K projected on the other basis, in turn, which never is farther from K (HOOI).
    """

    catalogue = ("FA-02",)
    title = "Tucker-2 decomposition"
    paper = "Kim, Park, Yoo, Choi, Yang, Shin, Compression of deep convolutional networks, ICLR 2016, section 3.1"
    faithful = True

    rank: float = setting(
        1.0, "Share of the input and of the output channels kept in the core.", unit="share", low=0.0, high=1.0,
        step=0.01, axis="rank",
    )  # fmt: skip
    refine: Literal["yes", "no"] = setting(
        "yes", "Improve both bases in turn (HOOI) or take those of the whole tensor (HOSVD).", choices=("yes", "no")
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.kind == "linear":
            return "is a linear layer, whose Tucker-2 form is the SVD"
        return layout.unfactorable or ("is factored already" if form.factored else None)

    @one_thread()
    def compress(self, form: Form, decision: Hashable) -> Form:
        kernel = form.compose().astype(np.float64)
        out, channels = kernel.shape[:2]
        # an unfolding has no more singular values than columns: beyond them a basis holds nothing of the kernel
        outer = max(1, min(round(self.rank * out), kernel[0].size))
        inner = max(1, min(round(self.rank * channels), kernel[:, 0].size))
        whole_left, whole_right = once(_bases, "tucker", form, lambda: kernel, _both_bases)
        left, right = whole_left[:, :outer], whole_right[:, :inner]
        if self.refine == "yes" and (outer < out or inner < channels):
            for _ in range(_ROUNDS):
                still_wanted()
                left = _basis(np.einsum("oikl,ir->orkl", kernel, right), 0)[:, :outer]
                right = _basis(np.einsum("oikl,or->rikl", kernel, left), 1)[:, :inner]
        core = np.einsum("oikl,or,is->rskl", kernel, left, right, optimize=True)
        first, last = right.T[:, :, None, None], left[:, :, None, None]
        return Form((Factor(Part.of(first), POINT), Factor(Part.of(core), WHOLE), Factor(Part.of(last), POINT)))


@one_thread()
def _both_bases(kernel: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _basis(kernel, 0), _basis(kernel, 1)


def _basis(kernel: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Left singular vectors of the unfolding along `axis`, the largest singular value first."""
    return basis(np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1))
