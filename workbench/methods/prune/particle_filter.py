"""Structured pruning by a particle filter: masks are tried out, and the one goes that costs the fewest answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Channel, Evidence, Layout
from workbench.method import Calibrated, Tensors, setting
from workbench.methods.prune._emptied import Emptied, beside, clusters, emptied, uncoupled, without
from workbench.methods.prune._particles import Particle, Space, Strides, Subsets, searched
from workbench.weights.form import Form

Mask = NDArray[np.bool_]
Each = Callable[[Sequence[int]], Iterable[int]]
Best = Callable[[Space, Callable[[Particle], float]], Particle]


@dataclass(frozen=True)
class ParticleFilter(Calibrated):
    """In every layer, one after the other, the mask of the wanted size that leaves the fewest wrong answers.

    Masks are particles, likely as exp(−wrong answers), which are resampled, moved and tried again (see
    `searched`); each layer is tried with what has gone before it. Maps: round(share · n) output channels go, as in
    `prune.l1-filter`. Kernels: round(share · n) of a convolution's n. Strided: inside the kernels every so many
    entries stay, in the same places of all that read one source map, so that the unrolled input loses these rows; the
    share is the least that goes. The paper retrains after the cut, of which this is a preview.
    """

    catalogue = ("PR-05",)
    title = "Particle filter"
    paper = "Anwar, Hwang, Sung, Structured pruning of deep convolutional neural networks, JETC 13(3), 2017"
    faithful = False

    share: float = setting(
        0.0, "Share of each layer's maps, kernels or entries that goes.", unit="share", low=0.0, high=1.0, step=0.01
    )
    granularity: Literal["maps", "kernels", "strided"] = setting(
        "maps",
        "What goes: feature maps, kernels, or entries of the kernels at a stride and offset that those of one source "
        "map share.",
        choices=("maps", "kernels", "strided"),
    )
    particles: int = setting(16, "How many masks are tried at a time.", low=2, high=500, step=1)
    searches: int = setting(6, "How often masks are tried, resampled and moved.", low=1, high=200, step=1)
    sample: int = setting(200, "How many calibration images each mask is tried on.", low=10, high=10_000, step=10)
    seed: int = setting(0, "Seed of what is drawn.", low=0, high=2**31 - 1, step=1)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if self.granularity == "maps":
            return None
        if not layout.kind.startswith("conv"):
            return "is no convolution, so it has no kernels"
        if form.factored:
            return "is a product of several layers, none of whose kernels are its own"
        if self.granularity == "strided" and layout.groups > 1:
            return "is a grouped convolution, whose kernels do not all read the same source maps"
        return None

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        return uncoupled(forms, evidence) if self.granularity == "maps" else {}

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        return self.decided(forms, evidence, own, iter)

    def decided(
        self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str], each: Each
    ) -> dict[str, Hashable]:
        """See `settle`. each: what gives the rounds of a search one after another."""
        random = np.random.default_rng(self.seed)

        def best(space: Space, wrong: Callable[[Particle], float]) -> Particle:
            return searched(space, wrong, self.particles, each(range(self.searches)), random)

        if self.granularity == "maps":
            return dict(emptied(self._maps(forms, evidence, best), forms, own))
        changed: dict[str, Form] = {}
        decisions: dict[str, Hashable] = dict.fromkeys(forms)
        for name, form in forms.items():
            stays = self._mask(name, form, changed, evidence, best)
            if stays is not None:
                changed[name] = _kept(form, stays)
                decisions[name] = np.broadcast_to(stays, form.shape).tobytes()
        return decisions

    def _maps(self, forms: Mapping[str, Form], evidence: Evidence, best: Best) -> list[Channel]:
        going: list[Channel] = []

        def wrong(cluster: Sequence[Channel], particle: Particle) -> float:
            what = emptied([*going, *(cluster[place] for place in particle)], forms)
            changed = {name: without(forms[name], one) for name, one in what.items()}
            return evidence.wrong(changed, [entry for one in what.values() for entry in one.beside], self.sample)

        for cluster in clusters(forms, evidence):
            space = Subsets(len(cluster), min(round(self.share * len(cluster)), len(cluster) - 1))
            if space.count:
                going += [cluster[place] for place in best(space, partial(wrong, cluster))]
        return going

    def _mask(self, name: str, form: Form, changed: Mapping[str, Form], evidence: Evidence, best: Best) -> Mask | None:
        """What stays of a layer, beside others that have changed; None where all of it does."""
        out, maps, *kernel = form.shape
        entries = math.prod(kernel)
        kernels = Subsets(out * maps, round(self.share * out * maps))
        strides = Strides(maps, entries, max(maps, round((1 - self.share) * maps * entries)))
        by_kernel = self.granularity == "kernels"
        if kernels.count == 0 if by_kernel else strides.left == maps * entries:
            return None

        def stays(particle: Particle) -> Mask:
            if by_kernel:
                return kernels.stays(particle).reshape(out, maps, *[1] * len(kernel))
            return strides.stays(particle).reshape(1, maps, *kernel)

        space = kernels if by_kernel else strides
        return stays(
            best(space, lambda one: evidence.wrong({**changed, name: _kept(form, stays(one))}, (), self.sample))
        )

    def compress(self, form: Form, decision: Hashable) -> Form:
        if self.granularity == "maps":
            return without(form, cast(Emptied, decision))
        if decision is None:
            return form
        return _kept(form, np.frombuffer(cast(bytes, decision), bool).reshape(form.shape))

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        return beside(rest, decisions.values()) if self.granularity == "maps" else {}


def _kept(form: Form, stays: Mask) -> Form:
    return form.with_parts([form.parts[0].kept(stays)])
