"""N:M pruning: of every M neighbours the N of largest absolute value stay."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.method import Layerwise, setting
from workbench.weights.arrays import Floats
from workbench.weights.blank import blanks
from workbench.weights.form import Form


@dataclass(frozen=True)
class NofM(Layerwise):
    """In every run of M weights of a row [in · kh · kw] the N of largest |w| stay; of equal ones the first.

    What follows a row's last whole run stays as it is. Without the retraining that the paper asks for it is a preview;
    on its own it is the magnitude baseline (PR-04) under a pattern.
    """

    catalogue = ("PR-04",)
    title = "N:M pruning"
    paper = "Mishra et al., Accelerating Sparse Deep Neural Networks, 2021, section 4 (2:4, without retraining)"
    faithful = False
    outlines = True

    pattern: Literal["1:4", "2:4", "2:8", "4:8"] = setting(
        "2:4", "How many weights of how many neighbours stay.", choices=("1:4", "2:4", "2:8", "4:8")
    )

    def compress(self, form: Form, decision: Hashable) -> Form:
        n, m = map(int, self.pattern.split(":"))
        return form.with_parts([part.kept(kept(part.values, n, m)) for part in form.parts])

    def outline(self, form: Form) -> Form:
        """As many zeros as the pattern makes."""
        n, m = map(int, self.pattern.split(":"))
        return form.with_parts([part.patterned(n, m) for part in blanks(form)])


def kept(weights: Floats, n: int, m: int) -> NDArray[np.bool_]:
    """Which of `weights` [out, ...] stay, in their shape."""
    rows, columns = weights.shape[0], math.prod(weights.shape[1:])
    stays = np.ones((rows, columns), bool)
    end = columns // m * m
    runs = np.abs(weights.reshape(rows, columns)[:, :end]).reshape(rows, -1, m)
    order = np.argsort(-runs, axis=2, kind="stable")
    chosen = np.zeros(runs.shape, bool)
    np.put_along_axis(chosen, order[:, :, :n], True, axis=2)
    stays[:, :end] = chosen.reshape(rows, end)
    return stays.reshape(weights.shape)
