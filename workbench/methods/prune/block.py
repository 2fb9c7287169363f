"""Block pruning: R neighbouring outputs × 1 input stay or vanish together."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.method import Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.part import Part


@dataclass(frozen=True)
class Block(Layerwise):
    """In each layer exactly round(sparsity · blocks) blocks vanish, those of the smallest mean square; ties in order.

    A block is `height` neighbouring outputs of one input of the matrix [out, in · kh · kw]; the last outputs may make
    lower ones. Without retraining it is a preview; on its own it is the magnitude baseline (PR-04) over blocks.
    """

    catalogue = ("PR-04",)
    title = "Block pruning"
    paper = "Narang, Undersander, Diamos, Block-Sparse Recurrent Neural Networks, 2017, section 3"
    faithful = False

    sparsity: float = setting(
        0.5, "Share of each layer's blocks set to zero.", unit="share", low=0.0, high=1.0, step=0.01
    )
    height: Literal["8", "16"] = setting("8", "How many neighbouring outputs a block holds.", choices=("8", "16"))

    def compress(self, form: Form, decision: Hashable) -> Form:
        if self.sparsity == 0:
            return form
        return form.with_parts([self._pruned(part) for part in form.parts])

    def _pruned(self, part: Part) -> Part:
        rows, columns = part.shape[0], math.prod(part.shape[1:])
        height = int(self.height)
        tops = np.arange(0, rows, height)
        squares = np.square(part.values.reshape(rows, columns), dtype=np.float64)
        means = np.add.reduceat(squares, tops, axis=0) / np.minimum(height, rows - tops)[:, None] if rows else squares
        gone = np.argsort(means, axis=None, kind="stable")[: round(self.sparsity * means.size)]
        stays = np.ones(means.size, bool)
        stays[gone] = False
        whole = np.repeat(stays.reshape(means.shape), height, axis=0)[:rows]
        return part.kept(whole.reshape(part.shape))
