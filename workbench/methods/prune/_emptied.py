"""Emptying channels: their rows, the columns that meet them, and what stands beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Channel, Evidence
from workbench.weights.form import Form

if TYPE_CHECKING:
    from workbench.network.state import State


@dataclass(frozen=True)
class Emptied:
    """What becomes zero in one layer: rows of its weight, (first row, row after the last, column) of it, and (tensor,
    index) beside it."""

    rows: tuple[int, ...] = ()
    columns: tuple[tuple[int, int, int], ...] = ()
    beside: tuple[tuple[str, int], ...] = ()


def uncoupled(forms: Mapping[str, Form], evidence: Evidence) -> dict[str, str]:
    """Those of `forms` whose channels cannot be followed through the network, and why."""
    return {name: why for name, why in evidence.channels().reasons.items() if name in forms}


def clusters(forms: Mapping[str, Form], evidence: Evidence) -> list[tuple[Channel, ...]]:
    """Channels that compete with each other, all of whose layers are among `forms`."""
    return [cluster for cluster in evidence.channels().clusters if all(name in forms for name, _ in cluster[0].rows)]


def lowest(scores: Sequence[float], share: float) -> list[int]:
    """Places of the round(share · n) lowest of n scores, one at least left out; equal ones in order."""
    count = min(round(share * len(scores)), len(scores) - 1)
    return np.argsort(scores, kind="stable")[:count].tolist()


def lowest_of_all(ranked: Sequence[Sequence[float]], share: float) -> list[list[int]]:
    """Cluster -> places of those scores that are among the lowest of all clusters together, one of each left out."""
    entries = sorted(
        ((score, number, place) for number, scores in enumerate(ranked) for place, score in enumerate(scores)),
        key=lambda entry: entry[0],
    )
    count = round(share * len(entries))
    going: list[list[int]] = [[] for _ in ranked]
    for _, number, place in entries:
        if count and len(going[number]) < len(ranked[number]) - 1:
            going[number].append(place)
            count -= 1
    return going


def emptied(channels: Iterable[Channel], layers: Iterable[str], own: Collection[str] = ()) -> dict[str, Emptied]:
    """Layer -> what emptying `channels` does there, for each of `layers`; those of the layers `own` stay."""
    rows: dict[str, set[int]] = defaultdict(set)
    columns: dict[str, set[tuple[int, int, int]]] = defaultdict(set)
    beside: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for channel in channels:
        if any(layer in own for layer, _ in channel.rows):
            continue
        for layer, row in channel.rows:
            rows[layer].add(row)
        beside[channel.rows[0][0]] |= set(channel.beside)
        for layer, *place in channel.columns:
            columns[layer].add(cast("tuple[int, int, int]", tuple(place)))
    return {
        layer: Emptied(tuple(sorted(rows[layer])), tuple(sorted(columns[layer])), tuple(sorted(beside[layer])))
        for layer in layers
    }


def without(form: Form, what: Emptied) -> Form:
    """The form with these rows and columns zero: rows of its last factor, columns of its first."""
    if not what.rows and not what.columns:
        return form
    masks = [np.ones(part.shape, bool) for part in form.parts]
    masks[-1][list(what.rows)] = False
    for start, stop, column in what.columns:
        masks[0][slice(None) if form.factored else slice(start, stop), column] = False
    return form.with_parts([part.kept(mask) for part, mask in zip(form.parts, masks, strict=True)])


def beside(rest: Mapping[str, NDArray[Any]], decisions: Iterable[Any]) -> dict[str, NDArray[Any]]:
    """The tensors of `rest` with the entries that become zero."""
    found: dict[str, NDArray[Any]] = {}
    for decision in decisions:
        for name, index in decision.beside:
            found.setdefault(name, rest[name].copy())[index] = 0
    return found


def emptied_state(state: State, channels: Iterable[Channel], layers: Collection[str]) -> State:
    """Without these channels; only the layers `layers` change."""
    decisions = emptied(channels, layers)
    slim = {name: without(state.forms[name], decision) for name, decision in decisions.items()}
    return state.with_forms(slim).with_rest(beside(state.model.rest, decisions.values()))


def slimmer(state: State, layers: Collection[str], evidence: Evidence) -> State:
    """Without what reads nothing and what nothing reads: channels of which nothing is left lose the weights that meet
    them, and those that meet nothing but zeros go, until there are no more. Only the layers `layers` change."""
    clusters = evidence.channels().clusters
    left = [channel for cluster in clusters for channel in cluster if all(name in layers for name, _ in channel.rows)]
    while True:
        read = {name: _read(form) for name, form in state.forms.items()}
        gone = [channel for channel in left if _silent(channel, state) != _unread(channel, read)]
        if not gone:
            return state
        left = [channel for channel in left if channel not in gone]
        state = emptied_state(state, gone, layers)


def _read(form: Form) -> NDArray[np.bool_]:
    """[out, in / groups]: whether an output reads anything of an input channel; in several factors whether any does."""
    values = form.parts[0].values
    found: NDArray[np.bool_] = (values.reshape(*values.shape[:2], -1) != 0).any(2)
    return np.broadcast_to(found.any(0), form.shape[:2]) if form.factored else found


def _silent(channel: Channel, state: State) -> bool:
    """Whether nothing of it is left."""
    rows = any(state.forms[name].parts[-1].alive[0][row] for name, row in channel.rows)
    return not rows and not any(state.model.rest[tensor][index] for tensor, index in channel.beside)


def _unread(channel: Channel, read: Mapping[str, NDArray[np.bool_]]) -> bool:
    """Whether it meets weights, and all of them are zero."""
    met = [read[layer][start:stop, column] for layer, start, stop, column in channel.columns]
    return bool(met) and not any(one.any() for one in met)
