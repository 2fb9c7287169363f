"""Codebook: every weight as a code into a table of shared values."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.weights.encodings._one_tensor import EveryWeight
from workbench.weights.encodings._stream import CodebookStream


@dataclass(frozen=True, eq=False)
class Codebook(EveryWeight):
    """⌈log2 k⌉ bits a weight and k float32 centroids, so n weights of 32 bits shrink by 32·n / (n·log2 k + 32·k).

    Han, Mao, Dally, Deep Compression, ICLR 2016, section 3. Where the tensor has zeros that are not in the table, an
    entry 0.0 is added to it; at most 256 entries in all.
    """

    name = "codebook"
    listed = CodebookStream
