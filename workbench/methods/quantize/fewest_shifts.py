"""The fewest powers of two a filter with which calibration images are still answered."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.evidence import Evidence
from workbench.method import Calibrated, setting
from workbench.methods.quantize._shifts import Map, fewest, rounded, rounding, said
from workbench.weights.form import Form


@dataclass(frozen=True)
class FewestShifts(Calibrated):
    """Every filter begins with `terms` powers of two a weight and is lowered, down to one, while the answers stay.

    The filters that gain the least squared error go first. No more of the calibration images than the limit may become
    wrong. CompactNet trains the network so, under a limit on validation images, of which this is a preview
    (`quantize.compact-net`).
    """

    catalogue = ("QU-08",)
    title = "Fewest powers of two per filter"
    paper = "Goel, Liu, Blanton, CompactNet, ICCAD 2018 (reconstructed, full text not read)"
    faithful = False

    terms: int = setting(2, "How many signed powers of two a weight has at most.", unit="terms", low=1, high=3, step=1)
    wrong: int = setting(2, "How many more of these images may become wrong.", unit="images", low=0, high=100, step=1)
    sample: int = setting(1000, "Calibration images that are answered each time.", low=10, high=1000, step=10)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        """Layer -> bytes of the terms of each part's filters. Layers of their own settings stay out of the others'."""
        among = {name: form for name, form in forms.items() if name not in own}
        found = dict(self._chosen(among, evidence))
        found |= self._chosen({name: forms[name] for name in forms if name in own}, evidence)
        return {
            name: tuple(found[name, place].tobytes() for place in range(len(form.parts)))
            for name, form in forms.items()
        }

    def _chosen(self, forms: Mapping[str, Form], evidence: Evidence) -> Map:
        if not forms:
            return {}
        limit = evidence.wrong({}, (), self.sample) + self.wrong

        made = rounding(forms)

        def within(asked: Map) -> bool:
            return evidence.wrong(made(asked), (), self.sample) <= limit + 1e-9

        parts = {(name, place): part.values for name, form in forms.items() for place, part in enumerate(form.parts)}
        return fewest(parts, self.terms, within)

    def compress(self, form: Form, decision: Hashable) -> Form:
        return rounded(form, [np.frombuffer(terms, np.uint8) for terms in cast("tuple[bytes, ...]", decision)])

    def remark(self, before: Form, after: Form) -> str | None:
        return said(after)
