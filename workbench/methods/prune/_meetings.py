"""Where channels that compete are multiplied next, and what leaving some of them out does to the sums there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.methods.prune._emptied import Emptied, clusters, uncoupled, without
from workbench.weights.form import Form
from workbench.weights.part import Part

_RIDGE = 1e-9  # of the mean square of a channel: what keeps equal channels apart where a system is solved


@dataclass(frozen=True)
class Meeting:
    """Rows start..stop−1 of a layer, one group's, which multiply channels of one cluster.

    channels: their places in the cluster. columns: of each of these, its columns of the layer's weight; as many each.
    """

    layer: str
    start: int
    stop: int
    channels: tuple[int, ...]
    columns: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Mixed:
    """Columns of a layer's rows start..stop−1 that become sums: those `after` = those `before` · matrix.

    matrix: float64 [before, after], as bytes, so that decisions can be compared.
    """

    start: int
    stop: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    matrix: bytes


@dataclass(frozen=True)
class Replaced:
    """What becomes of a layer: first its columns are mixed, then what goes is emptied."""

    emptied: Emptied
    mixed: tuple[Mixed, ...] = ()

    @property
    def beside(self) -> tuple[tuple[str, int], ...]:
        """(tensor, index) of what becomes zero beside the weight."""
        return self.emptied.beside


def meetings(cluster: Sequence[Channel]) -> list[Meeting]:
    """Where the channels of a cluster are multiplied next."""
    found: dict[tuple[str, int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, channel in enumerate(cluster):
        for layer, start, stop, column in channel.columns:
            found[layer, start, stop][place].append(column)
    return [
        Meeting(*where, tuple(columns), tuple(tuple(sorted(one)) for one in columns.values()))
        for where, columns in found.items()
        if len({len(one) for one in columns.values()}) == 1
    ]


def unmet(forms: Mapping[str, Form], evidence: Evidence) -> dict[str, str]:
    """Those of `forms` whose channels cannot be followed, or meet a layer whose input is not unrolled; and why."""
    found = uncoupled(forms, evidence)
    for cluster in clusters(forms, evidence):
        for layer, *_ in cluster[0].columns:
            why = evidence.no_moments(layer)
            if why is not None:
                found |= {name: f"is multiplied next by {layer}, which {why}" for name, _ in cluster[0].rows}
    return found


def _places(meeting: Meeting, form: Form) -> Any:
    """[channels, columns · kernel]: where each channel stands in the layer's unrolled input."""
    kernel = int(np.prod(form.shape[2:]))
    columns = np.array(meeting.columns)
    return (columns[:, :, None] * kernel + np.arange(kernel)).reshape(len(columns), -1)


def _moments(meeting: Meeting, form: Form, evidence: Evidence) -> Floats:
    """[channels, columns · kernel, channels, columns · kernel] of what the meeting's rows multiply."""
    places = _places(meeting, form)
    group = meeting.start // (meeting.stop - meeting.start)
    order = places.ravel()
    return evidence.moments(meeting.layer)[group][np.ix_(order, order)].reshape(*places.shape, *places.shape)


def outgoing(meeting: Meeting, form: Form) -> Floats:
    """float64 [channels, rows, columns · kernel]: the weights that multiply each channel."""
    rows = form.compose()[meeting.start : meeting.stop].reshape(meeting.stop - meeting.start, -1)
    return rows[:, _places(meeting, form)].transpose(1, 0, 2).astype(np.float64)


def contributions(meeting: Meeting, form: Form, evidence: Evidence) -> Floats:
    """float64 [channels, channels]: E[x̂ x̂ᵀ], x̂_j what channel j adds to an output, summed over the outputs."""
    weights = outgoing(meeting, form)
    together = np.einsum("arp,brq->apbq", weights, weights, optimize=True)
    return (together * _moments(meeting, form, evidence)).sum((1, 3))


def gram(meeting: Meeting, form: Form, evidence: Evidence) -> Floats:
    """float64 [channels, channels]: E[x xᵀ] of the channels themselves, summed over where the rows see them."""
    return np.einsum("apbp->ab", _moments(meeting, form, evidence))


def ridged(squares: Floats) -> Floats:
    """A Gram matrix that can be inverted."""
    found: Floats = squares + np.eye(len(squares)) * (_RIDGE * max(float(np.trace(squares)) / len(squares), 1e-30))
    return found


def standing_in(squares: Floats, gone: Sequence[int], kept: Sequence[int]) -> Floats:
    """[gone, kept]: A of least squares ‖x_gone − A · x_kept‖², by the channels' Gram matrix."""
    of_kept, with_gone = ridged(squares[np.ix_(kept, kept)]), squares[np.ix_(kept, gone)]
    return np.linalg.solve(of_kept, with_gone).T.astype(np.float64)


def mixing(meeting: Meeting, gone: Collection[int], matrix: Floats) -> list[Mixed]:
    """One for each column that channels have there. matrix: [channels of the meeting, those of them that stay]."""
    stays = [place for place, channel in enumerate(meeting.channels) if channel not in gone]
    return [
        Mixed(meeting.start, meeting.stop, before, tuple(before[place] for place in stays), matrix.tobytes())
        for before in zip(*meeting.columns, strict=True)
    ]


def mixed(form: Form, decision: Replaced) -> Form:
    """The form with its columns mixed and what goes emptied: columns of its first factor, rows of its last."""
    if decision.mixed:
        values = form.parts[0].values.copy()
        for one in decision.mixed:
            rows = slice(None) if form.factored else slice(one.start, one.stop)
            matrix = np.frombuffer(one.matrix).reshape(len(one.before), len(one.after))
            block = values[rows][:, list(one.before)].astype(np.float64)
            values[rows, one.after] = np.einsum("rb...,ba->ra...", block, matrix)
        form = form.with_parts([Part.of(values), *form.parts[1:]])
    return without(form, decision.emptied)
