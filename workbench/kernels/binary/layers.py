"""Layers whose weights and inputs are signs: float32 in, float32 out, everything between on 32 signs a word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.kernels.binary.convolution import Pair, conv_binary
from workbench.kernels.binary.magnitudes import row_magnitudes, weigh, window_magnitudes
from workbench.kernels.binary.signs import Floats, SignWeights, gemm_binary, pack_sign_weights, pack_signs


@dataclass(frozen=True, eq=False)
class SignMatrix:
    """x [batch, in] to (sign x · sign W) α [· mean |x|] + bias, one α an output.

    by_window: whether the sums of a row are multiplied by the mean magnitude of its inputs.
    """

    weights: SignWeights
    by_window: bool

    @classmethod
    def of(cls, weights: Floats, scale: Floats, by_window: bool) -> SignMatrix:
        """weights [out, in], of which the signs count; scale: [out]."""
        return cls(pack_sign_weights(weights, scale), by_window)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [batch, in] to [batch, out]. Raises ValueError where x is of another type or width."""
        y = gemm_binary(pack_signs(x), self.weights, threads)
        return _finished(y, row_magnitudes(x) if self.by_window else None, bias, threads)


@dataclass(frozen=True, eq=False)
class SignConvolution:
    """Images x to (sign x ∗ sign W) α [· K] + bias, one α an output; zero padding adds nothing.

    by_window: whether each pixel's sums are multiplied by K, the mean magnitude of the inputs that it sees.
    """

    weights: SignWeights
    by_window: bool
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @classmethod
    def of(
        cls,
        weights: Floats,
        scale: Floats,
        by_window: bool,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
    ) -> SignConvolution:
        """weights [out, in, kh, kw], of which the signs count; scale: [out]."""
        return cls(pack_sign_weights(weights, scale), by_window, stride, padding, dilation)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that the weights take."""
        return self.weights.nbytes

    def multiply(self, x: Floats, bias: Floats | None = None, threads: int = 1) -> Floats:
        """float32 [images, in, h, w] to [images, out, h', w'], channels last in memory.

        Raises ValueError where x is of another type or shape.
        """
        window = self.stride, self.padding, self.dilation
        y = conv_binary(x, self.weights, *window, threads)
        size = y.shape[2], y.shape[3]
        magnitudes = window_magnitudes(x, self.weights.kernel, *window, size, threads) if self.by_window else None
        flat = y.transpose(0, 2, 3, 1).reshape(-1, self.weights.outputs)  # its own memory, channels last
        _finished(flat, None if magnitudes is None else magnitudes.reshape(-1), bias, threads)
        return y


def _finished(sums: Floats, magnitudes: Floats | None, bias: Floats | None, threads: int) -> Floats:
    """sums [rows, outputs], in place, times their magnitudes [rows], and the bias [outputs] added."""
    if magnitudes is not None:
        weigh(sums, magnitudes, np.zeros(sums.shape[1], np.float32) if bias is None else bias, threads)
    elif bias is not None:
        sums += bias
    return sums
