"""Entropy coding: frequent codes and gaps in few bits, rare ones in many."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workbench.method import Layerwise, setting
from workbench.weights.coders import CODERS
from workbench.weights.form import Form

_EITHER = "smallest"


@dataclass(frozen=True)
class EntropyCoding(Layerwise):
    """The third stage of Deep Compression (Han, Mao, Dally, ICLR 2016, section 4): no weight changes.

    A layer's codes, and the gaps, bitmaps or choices that say where its weights stand, go through a coder wherever that
    takes fewer bytes, its table counted. Kernels multiply with the decoded streams, so that only the file is smaller.
    """

    catalogue = ("CO-01",)
    title = "Entropy coding"
    paper = (
        "Huffman 1952; Martin 1979 (range coding); Mahoney 2005 (context mixing); "
        "Han, Mao, Dally 2016, Deep Compression, section 4"
    )
    faithful = True

    coder: str = setting(
        _EITHER,
        "A Huffman code gives each symbol a whole number of bits; a range coder comes within a few bytes of the "
        "entropy; a context coder goes below it, by what it has seen of neighbours, row and column, and is the slowest "
        "to read. The smallest tries all of them for each layer.",
        choices=(_EITHER, *CODERS),
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        return form.with_coders(tuple(CODERS) if self.coder == _EITHER else (self.coder,))
