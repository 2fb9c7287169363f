"""Optimal Brain Surgeon: weights go one by one, and all others move so that the loss rises least."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.evidence import Blocks, Evidence, Floats, Layout
from workbench.method import Calibrated, setting
from workbench.methods.prune._gone import least
from workbench.methods.prune._surgery import Surgery, operate
from workbench.weights.form import Form
from workbench.weights.part import Part

_MOST = 2**28  # bytes of the blocks of one layer
_operated: Cache[tuple[Surgery, ...]] = Cache(ceiling=2**28)


@dataclass(frozen=True)
class OptimalBrainSurgeon(Calibrated):
    """Deletes q = argmin w_q² / (2 [H⁻¹]_qq) and moves the others by −(w_q / [H⁻¹]_qq) · H⁻¹ e_q, weight after weight.

    Exactly round(sparsity · n) weights are zero then; those that are gone already go first. H is the Hessian of the
    loss as Gauss and Newton have it, built up image by image, of the network before the step: where many weights are to
    go, several steps that each look again lose less than one. It is taken in blocks of a layer's weights, between which
    nothing makes up for anything; biases stay.
    """

    catalogue = ("PR-03",)
    title = "Optimal Brain Surgeon"
    paper = "Hassibi, Stork, Second order derivatives for network pruning, NeurIPS 1992, sections 2 and 3"
    faithful = True

    sparsity: float = setting(0.0, "Share of the weights set to zero.", unit="share", low=0.0, high=1.0, step=0.01)
    scope: Literal["global", "layer"] = setting(
        "global",
        "Rank weights across the whole network (global) or give every layer the same share of zeros (layer).",
        choices=("global", "layer"),
    )
    block: int = setting(
        64,
        "How many weights make up for each other at most: a layer, what one of its outputs is a sum over, or a piece.",
        unit="weights",
        low=1,
        high=2048,
        step=1,
    )
    damping: Literal["1e-8", "1e-7", "1e-6", "1e-5", "1e-4"] = setting(
        "1e-6",
        "α: what is added to the diagonal of H, so that it can be inverted.",
        choices=("1e-8", "1e-7", "1e-6", "1e-5", "1e-4"),
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if form.factored:
            return "is a product of matrices, at whose entries nobody knows how the loss bends"
        return layout.not_unrolled

    def remark(self, before: Form, after: Form) -> str:
        blocks = self._blocks(before)
        if blocks.count == 1:
            return f"Its Hessian was taken as a whole, of {blocks.largest:,} weights."
        what = "those of an output each" if len(blocks.runs) == 1 else "neighbours of one output"
        return f"Its Hessian was taken in {blocks.count:,} blocks of at most {blocks.largest:,} weights, {what}."

    def _blocks(self, form: Form) -> Blocks:
        return Blocks.of(form.shape, max(min(self.block, _MOST // max(8 * form.weights, 1)), 1))

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        if self.sparsity == 0 or not forms:
            return dict.fromkeys(forms)
        operations = {name: self._operations(name, form, evidence) for name, form in forms.items()}
        by_layer = {name: [_rising(one) for one in found] for name, found in operations.items()}
        groups = list(by_layer.values()) if self.scope == "layer" else [[one for of in by_layer.values() for one in of]]
        counts = iter([count for group in groups for count in _shared_out(group, self.sparsity)])
        return {
            name: self._left(forms[name], [(one, next(counts)) for one in found]) for name, found in operations.items()
        }

    def _operations(self, name: str, form: Form, evidence: Evidence) -> tuple[Surgery, ...]:
        """One for each of the runs of the layer's blocks."""
        blocks, (part,) = self._blocks(form), form.parts

        def work_out() -> tuple[Surgery, ...]:
            weights = part.values.reshape(blocks.rows, -1).astype(np.float64)
            inverses = evidence.inverse_hessian(name, blocks, float(self.damping))
            pairs = zip(blocks.runs, inverses, strict=True)
            return tuple(operate(weights[:, run], inverse).kept for run, inverse in pairs)

        return _operated.get((evidence.digest, name, blocks, self.damping), work_out, part)

    def _left(self, form: Form, done: list[tuple[Surgery, NDArray[np.int64]]]) -> bytes:
        """The weights after so many deletions in each block."""
        blocks = self._blocks(form)
        weights = form.parts[0].values.reshape(blocks.rows, -1).astype(np.float64)
        for run, (surgery, counts) in zip(blocks.runs, done, strict=True):
            weights[:, run] = surgery.after(weights[:, run], counts)
        return weights.astype(np.float32).tobytes()

    def compress(self, form: Form, decision: Hashable) -> Form:
        if decision is None:
            return form
        values = np.frombuffer(cast(bytes, decision), np.float32).reshape(form.shape)
        return form.with_parts([Part.of(values)])


def _rising(surgery: Surgery) -> Floats:
    """[blocks, deletions]: what a block's deletions cost at most up to each of them."""
    return np.maximum.accumulate(surgery.costs, axis=1)


def _shared_out(costs: list[Floats], share: float) -> list[NDArray[np.int64]]:
    """How many deletions of each block are done, where always the block goes on whose next one costs least.

    costs: float64 [blocks, deletions] of each run, rising along a block. share: of all deletions.
    """
    done = least(np.concatenate([one.ravel() for one in costs]), share)
    pieces = np.split(done, np.cumsum([one.size for one in costs])[:-1])
    return [piece.reshape(one.shape).sum(1) for piece, one in zip(pieces, costs, strict=True)]
