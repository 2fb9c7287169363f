"""Entropy-constrained scalar quantisation: values that are close to the weights, and codes that take few bits."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.evidence import Evidence, Layout
from workbench.method import METHODS, Calibrated, Layerwise, setting
from workbench.methods.quantize._clusters import Weighting, centroids_of, order, unweighted, weighted, weighting_setting
from workbench.weights.form import Form
from workbench.weights.levels.codebook import Codebook
from workbench.weights.part import Part

_ROUNDS = 30
_AT_ONCE = 2**20  # weights


@dataclass(frozen=True)
class EntropyConstrained(Calibrated):
    """min D + μ · H: a weight goes to the value of least h (w − c)² − μ log₂ p, p the share of weights at that value.

    D is the mean of h (w − ŵ)² with h the curvature of the loss or 1, H the entropy of the codes in bits a weight. From
    the 2^bits values of k-means on: assign, then take each value's weighted mean and share, until the cost stops
    falling (algorithm 1). Values that nothing is left at go. All layers share one table; the codes may go through an
    entropy coder, which is what makes of a low entropy a small file. Weights that are zero already stay zero and do not
    count. Where nothing is trained on afterwards, h ≡ 1 (Chou, Lookabaugh, Gray 1989) is the better at equal bytes:
    with the curvature, whole parts of a layer go to the most frequent value together.
    """

    catalogue = ("QU-05",)
    title = "Entropy-constrained quantisation"
    paper = "Choi, El-Khamy, Lee, Towards the limit of network quantization, ICLR 2017, section 4.2 and appendix A.3"
    faithful = True

    bits: int = setting(5, "The table begins with 2^bits values.", unit="bits", low=1, high=6, step=1)
    price: float = setting(
        0.01,
        "μ: what one bit a weight may cost in squared error, as a share of that of leaving all weights out.",
        unit="share",
        low=0.0,
        high=1.0,
        step=0.001,
    )
    weighting: Weighting = weighting_setting("none")  # noqa: RUF009 (a field, like `setting`)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        return unweighted(form, layout)

    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        """Layer -> values of the table, and which of them each weight that is not zero has, as bytes."""
        if not forms:
            return {}
        found = weighted(self.weighting, forms, evidence)
        tensors = {name: form.parts[0].values for name, form in forms.items()}
        weights = np.concatenate([values[values != 0] for values in tensors.values()]).astype(np.float64)
        h = np.concatenate(
            [np.ones(values.shape)[values != 0] if (one := found[name]) is None else one[values != 0]
             for name, values in tensors.items()]
        )  # fmt: skip
        start = centroids_of(order(weights.astype(np.float32), None if self.weighting == "none" else h), 2**self.bits)
        least = Least.of(
            weights, h, start.astype(np.float64), self.price * float(h @ weights**2) / max(h.sum(), 1e-300)
        )
        pieces = np.split(least.codes, np.cumsum([np.count_nonzero(values) for values in tensors.values()])[:-1])
        table = least.values.astype(np.float32).tobytes()
        return {name: (table, piece.tobytes()) for name, piece in zip(forms, pieces, strict=True)}

    def compress(self, form: Form, decision: Hashable) -> Form:
        table, codes = (
            np.frombuffer(one, kind)
            for one, kind in zip(cast("tuple[bytes, bytes]", decision), (np.float32, np.uint8), strict=True)
        )
        (part,) = form.parts
        used, places = np.unique(codes, return_inverse=True)
        values, merged = np.unique(table[used] if used.size else np.zeros(1, np.float32), return_inverse=True)
        whole: NDArray[Any] = np.zeros(part.shape, np.uint8)
        alive = part.values != 0
        whole[alive] = merged[places]
        levels = Codebook(max(1, (values.size - 1).bit_length()), values)
        coded = form.with_parts([Part.on_levels(levels, whole.astype(levels.code_type), ~alive)])
        return cast(Layerwise, METHODS["coding.entropy"]()).compress(coded, None)


@dataclass(frozen=True)
class Least:
    """A local optimum of D + μ · H.

    values: of the table, float64. codes: uint8, of each weight. costs: D + μ · H after each round, never rising.
    """

    values: NDArray[np.float64]
    codes: NDArray[np.uint8]
    costs: tuple[float, ...]

    @classmethod
    def of(
        cls, weights: NDArray[np.float64], h: NDArray[np.float64], values: NDArray[np.float64], price: float
    ) -> Least:
        """From the nearest of `values` on. price: μ, for h of mean 1. Raises Stopped between two rounds."""
        h = h / h.mean() if h.size and h.any() else np.ones_like(weights)
        shares = np.ones(len(values))  # as if no code were longer, so that each weight begins at the nearest value
        codes, costs = np.zeros(len(weights), np.uint8), list[float]()
        while weights.size and len(costs) < _ROUNDS and (len(costs) < 2 or costs[-1] < costs[-2]):
            codes = _cheapest(weights, h, values, -price * np.log2(shares))
            left = np.bincount(codes, minlength=len(values)) > 0
            codes, values = (np.cumsum(left) - 1).astype(np.uint8)[codes], values[left]
            mass, sums = np.bincount(codes, h), np.bincount(codes, h * weights)
            values = np.where(mass > 0, sums / np.where(mass > 0, mass, 1), values)  # without any h it stays
            shares = np.bincount(codes) / len(codes)
            distortion = float((h * (weights - values[codes]) ** 2).mean())
            costs.append(distortion - price * float(shares @ np.log2(shares)))
        return cls(values, codes, tuple(costs))


def _cheapest(
    weights: NDArray[np.float64], h: NDArray[np.float64], values: NDArray[np.float64], prices: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Which value costs each weight the least: h (w − c)² and the price of its code."""
    if (h == 1).all():
        order, borders = _envelope(values, prices)
        return order[np.searchsorted(borders, weights)]
    codes = np.zeros(len(weights), np.uint8)
    for start in range(0, len(weights), _AT_ONCE):
        still_wanted()
        some = slice(start, start + _AT_ONCE)
        least = np.full(len(weights[some]), np.inf)
        for place, (value, price) in enumerate(zip(values, prices, strict=True)):
            cost = h[some] * (weights[some] - value) ** 2 + price
            better = cost < least
            least = np.where(better, cost, least)
            codes[some][better] = place
    return codes


def _envelope(
    values: NDArray[np.float64], prices: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The values that are the cheapest for some weight, ascending, and where one takes over from the other.

    (w − c)² + p less w² is a line in w, and of lines whose slopes fall the lowest follow each other.
    """
    stack, borders = list[int](), list[float]()
    for place in np.lexsort((prices, values)).tolist():
        if stack and values[place] == values[stack[-1]]:
            continue  # the cheaper of two alike is there
        while stack:
            before = stack[-1]
            height = values[place] ** 2 + prices[place] - values[before] ** 2 - prices[before]
            border = float(height / (2 * (values[place] - values[before])))
            if not borders or border > borders[-1]:
                borders.append(border)
                break
            stack.pop()
            borders.pop()
        stack.append(place)
    return np.array(stack, np.uint8), np.array(borders)
