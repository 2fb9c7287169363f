"""Layer-wise least squares: the weights that are left make up for those that are gone."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.errors import still_wanted
from workbench.evidence import Evidence, Floats, Layout
from workbench.kernels.threads.blas import one_thread
from workbench.method import Calibrated, setting
from workbench.weights.form import Form


@dataclass(frozen=True)
class LeastSquares(Calibrated):
    """W̃ = argmin E‖W x − W̃ x‖² + λ · tr(M)/n · ‖W̃ − Ŵ‖² over all W̃ with the zeros of Ŵ.

    W are the layer's weights in the network as it came, x what enters it there, M = E[x xᵀ] of n columns, Ŵ the weights
    before the step. Each row is a problem of its own.
    """

    catalogue = ("TT-04",)
    title = "Layer-wise least squares"
    paper = "Hubara, Chmiel, Island, Banner, Naor, Soudry, Accelerated sparse neural training, NeurIPS 2021, section 5"
    faithful = False  # of a catalogue's entry that trains

    ridge: float = setting(
        0.001, "λ: how much weights are kept from moving far for little.", low=1e-6, high=1.0, step=0.0005
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of matrices, of which least squares would have to move several at once"
        if any(part.levels for part in form.parts):
            return "has few levels, which least squares would leave; recover before rounding"
        return layout.not_unrolled

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        found = {name: evidence.no_moments(name) for name in forms}
        return {name: why for name, why in found.items() if why is not None}

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        came = evidence.original()
        return {name: self._settled(form, came, name) for name, form in forms.items()}

    def _settled(self, form: Form, came: Evidence, name: str) -> bytes | None:
        before, goal = form.parts[0].values, came.weight(name)
        if goal.shape != before.shape or np.array_equal(before, goal):
            return None
        moments = came.moments(name)
        rows = before.reshape(len(moments), -1, moments.shape[-1]).astype(np.float64)
        goals = goal.reshape(rows.shape).astype(np.float64)
        found = [refitted(*group, self.ridge) for group in zip(rows, goals, moments, strict=True)]
        return np.stack(found).astype(np.float32).tobytes()

    def compress(self, form: Form, decision: Hashable) -> Form:
        if decision is None:
            return form
        values = np.frombuffer(cast(bytes, decision), np.float32).reshape(form.shape)
        return form.with_values([values])


def refitted(before: Floats, goal: Floats, moments: Floats, ridge: float) -> Floats:
    """W̃ [rows, columns] with the zeros of `before`, whose sums are nearest to those of `goal`; all float64.

    moments: [columns, columns], with which each row's weights that are left solve normal equations of their own.
    """
    damping = max(ridge * np.trace(moments) / len(moments), np.finfo(np.float64).tiny)
    slopes = (goal - before) @ moments
    found = before.copy()
    moved = np.flatnonzero(slopes.any(1))
    masks, alike = np.unique(before[moved] != 0, axis=0, return_inverse=True)
    for number, mask in enumerate(masks):  # rows with the same zeros share their equations
        still_wanted()
        rows, kept = moved[alike == number], np.flatnonzero(mask)
        equations = moments[np.ix_(kept, kept)]
        equations[np.diag_indices_from(equations)] += damping
        with one_thread():
            found[np.ix_(rows, kept)] += np.linalg.solve(equations, slopes[np.ix_(rows, kept)].T).T
    return found
