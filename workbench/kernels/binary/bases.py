"""Layers whose weights and inputs are sums of signs (Lin, Zhao, Pan, ABC-Net, NeurIPS 2017, equation 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.kernels.binary.signs import Floats


@dataclass(frozen=True, eq=False)
class SummedSigns:
    """x to Σ_n Σ_m β_n α_m (sign(x + shift_n) · B_m) + bias: one product of signs for each pair.

    products: of each base B_m of the weights, its scales α_m.
    """

    products: tuple[SignMatrix | SignConvolution, ...]
    shifts: Floats
    betas: Floats

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return sum(one.nbytes for one in self.products)

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out], or images [n, in, h, w] to [n, out, h', w'].

        Raises ValueError where x is of another type or shape.
        """
        total: Floats | None = None
        for shift, beta in zip(self.shifts, self.betas, strict=True):
            moved = x + shift
            for product in self.products:
                found = product.multiply(moved, None, threads)
                found *= beta
                total = found if total is None else np.add(total, found, out=total)
        assert total is not None
        if bias is not None:
            total += bias if total.ndim == 2 else bias[:, None, None]
        return total
