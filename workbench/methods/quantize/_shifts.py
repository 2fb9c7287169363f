"""What methods share that give each filter a number of terms of its own: errors, forms, and the greedy choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import still_wanted
from workbench.weights.arrays import Floats
from workbench.weights.form import Form
from workbench.weights.levels.powers_of_two import PowersOfTwo
from workbench.weights.levels.powers_per_filter import PowersPerFilter

Terms = NDArray[np.uint8]  # [filters], of one part
_PIECES = 128
Map = Mapping[tuple[str, int], Terms]  # (layer, place of the factor) -> terms of its filters


def residuals(values: Floats, most: int) -> NDArray[np.float64]:
    """‖r_ij‖₂ of each filter i [most + 1, filters]: what j terms, taken greedily, leave of it; r_i0 = w_i."""
    powers, left = PowersOfTwo.over(values, 1), values.reshape(values.shape[0], -1).astype(np.float64)
    norms = [np.linalg.norm(left, axis=1)]
    for _ in range(most):
        left = left - powers.values[powers.term(left)]
        norms.append(np.linalg.norm(left, axis=1))
    return np.stack(norms)


def rounded(form: Form, terms: Sequence[Terms]) -> Form:
    """Each part's filters as sums of so many powers of two."""
    pairs = zip(form.parts, terms, strict=True)
    return form.with_parts([part.rounded(PowersPerFilter.over(part.values, one)) for part, one in pairs])


def rounding(forms: Mapping[str, Form]) -> Callable[[Map], dict[str, Form]]:
    """What gives `forms` with the terms of a map; a layer whose terms stay is not rounded again."""
    known: dict[str, tuple[list[bytes], Form]] = {}

    def made(terms: Map) -> dict[str, Form]:
        for name, form in forms.items():
            asked = [terms[name, place] for place in range(len(form.parts))]
            key = [one.tobytes() for one in asked]
            if name not in known or known[name][0] != key:
                new = rounded(form, asked)
                known[name] = key, new.with_parts([part.made for part in new.parts])
        return {name: form for name, (_, form) in known.items()}

    return made


def said(form: Form) -> str | None:
    """How many terms the filters of a form have."""
    found = [part.levels.terms for part in form.parts if isinstance(part.levels, PowersPerFilter)]
    if not found:
        return None
    terms = np.concatenate(found)
    counted = ", ".join(f"{np.count_nonzero(terms == k):,} of {k}" for k in np.unique(terms))
    return f"Shifts a filter: {terms.mean():.2f} on average ({counted}); two bits a filter say how many."


def fewest(parts: Mapping[tuple[str, int], Floats], most: int, within: Callable[[Map], bool]) -> Map:
    """Filters from `most` terms on lowered one by one to one, the least harmful first, as long as `within` holds.

    Harm is the squared error that a weight of the filter gains. What `within` refuses of several filters together is
    asked of either half of them, down to single ones, or to pieces of one in 128 of all where there are more, which
    stay then as they are. One lowering is followed by the next only where it was taken. Raises Stopped between two
    questions.
    """
    terms = {place: np.full(values.shape[0], most, np.uint8) for place, values in parts.items()}
    squares = {place: residuals(values, most) ** 2 / max(values[0].size, 1) for place, values in parts.items()}
    shortest = -(-sum(map(len, terms.values())) // _PIECES)
    for k in range(most - 1, 0, -1):
        gains = [
            (float(found[k, row] - found[k + 1, row]), place, row)
            for place, found in squares.items()
            for row in range(found.shape[1])
            if terms[place][row] == k + 1
        ]
        for group in _taken([(place, row) for _, place, row in sorted(gains)], terms, k, shortest, within):
            for place, row in group:
                terms[place][row] = k
    return terms


def _taken(
    filters: Sequence[tuple[tuple[str, int], int]],
    terms: Map,
    k: int,
    shortest: int,
    within: Callable[[Map], bool],
) -> Iterator[Sequence[tuple[tuple[str, int], int]]]:
    """Runs of filters that may be lowered to k, each asked with those before it lowered."""
    if not filters:
        return
    still_wanted()
    asked = {place: one.copy() for place, one in terms.items()}
    for place, row in filters:
        asked[place][row] = k
    if within(asked):
        yield filters
    elif len(filters) > shortest:
        half = len(filters) // 2
        yield from _taken(filters[:half], terms, k, shortest, within)
        yield from _taken(filters[half:], terms, k, shortest, within)
