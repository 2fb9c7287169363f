"""Merging channels: those go that the others can stand in for at least cost, wherever they are, without training."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.evidence import Channel, Evidence, Floats
from workbench.methods.prune._meetings import (
    Meeting,
    contributions,
    gram,
    meetings,
    outgoing,
    ridged,
)
from workbench.methods.prune._reconstruction import Reconstruction
from workbench.weights.form import Form


@dataclass(frozen=True)
class Merging(Reconstruction):
    """Of all the network's channels round(share · n) go one by one, each time the one that costs the next layers least.

    The channels that are left stand in for one that goes by least squares, folded into the weights that meet them: of
    two equal channels one goes, and the other's outgoing weights become the sum of both. What cannot be made up for,
    1 / (G⁻¹)_jj of the channels' Gram matrix G, counts times the squares of the weights that meet it, against the mean
    square of the sums that these layers give. So layers with much that repeats itself give more. Nothing is trained,
    and what is left is a smaller dense network.
    """

    catalogue = ("PR-26",)
    title = "Channel merging"
    paper = "Goel, Tung, Lu, Thiruvathukal, Low-power deep learning and computer vision, 2020, section II-B"
    faithful = True

    def chosen(
        self, competing: Sequence[Sequence[Channel]], forms: Mapping[str, Form], evidence: Evidence
    ) -> list[list[int]]:
        clusters = [_Cluster(cluster, forms, evidence) for cluster in competing]
        left = round(self.share * sum(len(cluster) for cluster in competing))
        waiting = [(*one.cheapest(), number) for number, one in enumerate(clusters) if one.spare]
        heapq.heapify(waiting)
        while left and waiting:
            _, place, number = heapq.heappop(waiting)
            clusters[number].merge(place)
            left -= 1
            if clusters[number].spare:
                heapq.heappush(waiting, (*clusters[number].cheapest(), number))
        return [one.gone for one in clusters]


class _Cluster:
    """Channels that compete, and what each would cost that goes next."""

    def __init__(self, cluster: Sequence[Channel], forms: Mapping[str, Form], evidence: Evidence) -> None:
        self.gone: list[int] = []
        self._size = len(cluster)
        self._tables = [
            _Table(meeting, forms[meeting.layer], evidence) for meeting in meetings(cluster) if meeting.layer in forms
        ]

    @property
    def spare(self) -> bool:
        return bool(self._tables) and len(self.gone) < self._size - 1

    def cheapest(self) -> tuple[float, int]:
        """The cost of the channel that costs least, and its place."""
        costs = np.zeros(self._size)
        for table in self._tables:
            costs[list(table.channels)] += table.costs()
        costs[self.gone] = np.inf
        place = int(np.argmin(costs))
        return float(costs[place]), place

    def merge(self, place: int) -> None:
        self.gone.append(place)
        for table in self._tables:
            if place in table.channels:
                table.merge(table.channels.index(place))


class _Table:
    """One meeting: the inverse of the Gram matrix of what is left, and the weights that meet it."""

    def __init__(self, meeting: Meeting, form: Form, evidence: Evidence) -> None:
        self.channels = meeting.channels
        squares = gram(meeting, form, evidence)
        self._inverse = np.linalg.inv(ridged(squares))
        self._weights = outgoing(meeting, form)
        self._sums = max(float(contributions(meeting, form, evidence).sum()), 1e-30)
        self._seen = self._weights.shape[2]  # over how many columns the squares are summed
        self._left = np.ones(len(squares), bool)

    def costs(self) -> Floats:
        """Of each channel; 0 of those that went."""
        residuals = np.zeros(len(self._left))
        residuals[self._left] = 1 / np.diag(self._inverse)[self._left] / self._seen
        return np.square(self._weights).sum((1, 2)) * residuals / self._sums

    def merge(self, place: int) -> None:
        """Let the others stand in: the inverse without one (Banachiewicz), and its weights added to theirs."""
        column = self._inverse[:, place] / self._inverse[place, place]
        self._weights -= column[:, None, None] * self._weights[place]
        self._inverse = self._inverse - np.outer(column, self._inverse[place])
        self._inverse[place] = self._inverse[:, place] = 0
        self._weights[place] = 0
        self._left[place] = False
