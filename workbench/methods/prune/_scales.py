"""Emptying the channels of smallest batch norm scale, and letting the next layers take up the constants they leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Channel, Constant, Evidence
from workbench.methods.prune._emptied import Emptied, beside, clusters, emptied, lowest_of_all
from workbench.weights.form import Form


@dataclass(frozen=True)
class Taken:
    """What becomes of a layer: what is emptied, and what it takes up of the channels before it.

    offsets: (tensor, index, what is added there). uneven: by how much, at most, that is wrong at some position.
    """

    emptied: Emptied
    offsets: tuple[tuple[str, int, float], ...] = ()
    uneven: float = 0.0


def scaled(forms: Mapping[str, Form], evidence: Evidence) -> list[tuple[Channel, ...]]:
    """Channels that compete with each other: those of `forms` of which every layer's map passes a batch norm."""
    return [cluster for cluster in clusters(forms, evidence) if not set(cluster[0].maps) & set(cluster[0].rows)]


def unscaled(forms: Mapping[str, Form], evidence: Evidence) -> dict[str, str]:
    """Those of `forms` that have no channel to be ranked, and why, as the end of a sentence."""
    found = dict(evidence.channels().reasons)
    ranked = {name for cluster in scaled(forms, evidence) for name, _ in cluster[0].rows}
    lacking = "has channels that do not all pass a batch norm, by whose scales they would be ranked"
    return {name: found.get(name, lacking) for name in forms if name not in ranked}


def scales(channel: Channel) -> list[tuple[str, int]]:
    """(tensor, index) of γ in each batch norm that a channel passes."""
    return [(tensor, index) for tensor, index in channel.beside if tensor.endswith(".weight")]


def taken(
    competing: Sequence[Sequence[Channel]],
    share: float,
    forms: Mapping[str, Form],
    evidence: Evidence,
    own: Collection[str] = (),
) -> dict[str, Taken]:
    """Layer -> what becomes of it where that share of the competing channels goes, for each of `forms`.

    Those of smallest |γ| in the whole network, the largest of a channel that passes several batch norms, which says
    nothing only if all are 0; one of each cluster stays. What act(β) of a channel adds to the layers that multiply it
    is added to their biases, or taken off the means of their batch norms. Where that cannot be, the channel stays as a
    constant: its γ and its weights go, its β and what meets it stay.
    """
    gammas = {tensor: np.abs(evidence.beside(tensor)) for tensor in _norms(competing)}
    ranked = [
        [max(float(gammas[tensor][index]) for tensor, index in scales(channel)) for channel in cluster]
        for cluster in competing
    ]
    going = [
        cluster[place]
        for cluster, places in zip(competing, lowest_of_all(ranked, share), strict=True)
        for place in places
        if not any(layer in own for layer, _ in cluster[place].rows)
    ]
    takers = evidence.channels().offsets.keys() & forms.keys()
    away: list[Channel] = []
    still: list[Channel] = []
    for channel in going:
        (away if _leaves_nothing(channel, takers, evidence) else still).append(channel)
    found = {name: Taken(what) for name, what in emptied([*away, *map(_constant, still)], forms).items()}
    for layer, inputs in _met(away, evidence).items():
        constant = evidence.constant(layer, inputs)
        if layer not in takers or _nothing(constant):
            continue
        tensor, sign = evidence.channels().offsets[layer]
        left = set(np.flatnonzero(forms[layer].parts[-1].alive[0]).tolist()) - set(found[layer].emptied.rows)
        offsets = tuple((tensor, row, sign * float(constant.added[row])) for row in sorted(left))
        found[layer] = replace(found[layer], offsets=offsets, uneven=constant.uneven)
    return found


def beside_taken(rest: Mapping[str, NDArray[Any]], decisions: Collection[Taken]) -> dict[str, NDArray[Any]]:
    """The tensors of `rest` that change."""
    found = beside(rest, (one.emptied for one in decisions))
    for one in decisions:
        for tensor, index, amount in one.offsets:
            found.setdefault(tensor, rest[tensor].copy())[index] += amount
    return found


def _norms(competing: Iterable[Sequence[Channel]]) -> set[str]:
    return {tensor for cluster in competing for channel in cluster for tensor, _ in scales(channel)}


def _met(channels: Iterable[Channel], evidence: Evidence) -> dict[str, list[int]]:
    """Layer -> which of its inputs these channels are, among all that enter it."""
    found: dict[str, set[int]] = defaultdict(set)
    columns: dict[str, int] = {}
    for channel in channels:
        for layer, start, stop, column in channel.columns:
            if layer not in columns:
                columns[layer] = evidence.weight(layer).shape[1]
            found[layer].add(start // (stop - start) * columns[layer] + column)
    return {layer: sorted(inputs) for layer, inputs in found.items()}


def _leaves_nothing(channel: Channel, takers: Collection[str], evidence: Evidence) -> bool:
    """Whether every layer that multiplies it can take up what it leaves, or that is nothing."""
    others = {layer for layer, *_ in channel.columns} - set(takers)
    if not others:
        return True
    met = _met([channel], evidence)
    return all(_nothing(evidence.constant(layer, met[layer])) for layer in others)


def _nothing(constant: Constant) -> bool:
    return not constant.added.any() and not constant.uneven


def _constant(channel: Channel) -> Channel:
    """What of a channel goes where it stays as a constant."""
    return replace(channel, beside=tuple(scales(channel)), columns=())
