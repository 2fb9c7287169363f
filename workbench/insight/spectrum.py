"""Singular values of a layer's matrix, and how much of it the largest ones hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.kernels.threads.blas import one_thread
from workbench.weights.arrays import Floats
from workbench.weights.form import POINT, Form

LARGEST = 2048  # of the shorter side of a matrix: its decomposition takes a second, and cannot be interrupted
Values = NDArray[np.float64]
_known: Cache[Values] = Cache(ceiling=2**22)  # of layers as they came


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values, descending, float64 [min(m, n)], of the matrix [out, in · kh · kw] before and after.

    rank: how many of those before are kept where the layer is stored as their product, its truncated SVD; None where
    it is not.
    """

    before: Values
    after: Values
    rank: int | None

    @property
    def energy(self) -> Values:
        """Share of the squared Frobenius norm that the first 1, 2, ... singular values before hold."""
        squares = np.cumsum(self.before**2)
        return squares / squares[-1] if squares.size and squares[-1] > 0 else np.ones_like(squares)

    def holding(self, share: float) -> int:
        """How many of the first ones hold that share, at least one."""
        return min(int(np.searchsorted(self.energy, share - 1e-12)) + 1, max(self.before.size, 1))


def spectrum(before: Form, form: Form) -> Spectrum | None:
    """Of a layer that was `before` and is `form` now; None where its matrix is larger than `LARGEST`."""
    rows, columns = before.shape[0], math.prod(before.shape[1:])
    if min(rows, columns) > LARGEST:
        return None
    found = _known.get("spectrum", lambda: singular_values(before.compose().reshape(rows, columns)), before)
    two = len(form.factors) == 2 and form.factors[1].passage == POINT
    after = found if form is before else singular_values(form.compose().reshape(rows, columns))
    return Spectrum(found, after, form.rank if two else None)


@one_thread()
def singular_values(matrix: Floats) -> Values:
    """From the eigenvalues of the smaller Gram matrix, in float64: their sum is the squared Frobenius norm.

    Values below 1e-8 of the largest are lost in rounding, float32 weights hold none that mean anything.
    """
    short = (matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T).astype(np.float64)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(short @ short.T)[::-1], 0))
