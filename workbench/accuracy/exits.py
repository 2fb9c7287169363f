"""Mean work of a network with side exits: what the test images really took."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.accuracy.intervals import mean
from workbench.models.exits import exits
from workbench.network.encoded import EncodedModel
from workbench.report.figures import Badge, Figure, Metric

MEAN_MACS = Metric(
    "mean_macs",
    "MACs on average",
    "MACs on average",
    words=("fewer", "more"),
    place=22,
    under="effective_macs",
    axis=False,
)
Taken = NDArray[np.int8]  # [images], at which exit each image left, from 0; the number of exits where at none


def untaken(images: int) -> Taken:
    """Of images that have not been run yet: −1 each."""
    return np.full(images, -1, np.int8)


def macs_by_exit(compressed: EncodedModel) -> list[int]:
    """MACs of an image that leaves at each exit, in the order in which they are reached; then of all the way.

    Products that no layer owns count in all of them.
    """
    model = compressed.model
    macs = {name: sum([use.macs for use in work]) for name, work in compressed.uses.items()}
    whole = sum(macs.values()) + model.other_macs
    found = [
        whole - sum(count for name, count in macs.items() if name.startswith(f"{path}.rest."))
        for path in exits(model.module)
    ]
    return [*found, whole]


def mean_macs(compressed: EncodedModel, taken: Taken, badge: Badge) -> Figure | None:
    """Σ share × MACs over the exits, of the images that have been run, with the 95 % interval for images unseen.

    None where none has been run.
    """
    known = taken[taken >= 0]
    if not len(known):
        return None
    costs = np.array(macs_by_exit(compressed), np.float64)
    shares = np.bincount(known, minlength=len(costs)) / len(known)
    value = float(shares @ costs)
    interval = mean(costs[known] / costs[-1])
    named = [*(f"exit {number}" for number in range(1, len(costs))), "all the way"]
    said = ", ".join(
        f"{share:.1%} {name} ({cost:,.0f})" for share, name, cost in zip(shares, named, costs, strict=True)
    )
    return Figure(
        MEAN_MACS,
        value,
        badge,
        low=min(float(interval.low * costs[-1]), value),
        high=max(float(interval.high * costs[-1]), value),
        split=dict(zip(named, (shares * costs).tolist(), strict=True)),
        note=f"Of {len(known):,} test images, with the MACs that one takes: {said}. Other figures are of all the way.",
    )
