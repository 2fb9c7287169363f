"""Affine: every weight as a code of b bits on a uniform grid."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.weights.encodings._one_tensor import EveryWeight
from workbench.weights.encodings._stream import AffineStream


@dataclass(frozen=True, eq=False)
class Affine(EveryWeight):
    """b bits a weight, and per group a float32 scale and, where the grid is asymmetric, a zero point.

    A zero point takes one byte where all are whole numbers, four where they are not (one bit). Holds weights on a
    uniform grid whose zeros, if any, are levels of it (Krishnamoorthi 2018, section 2).
    """

    name = "affine"
    listed = AffineStream
