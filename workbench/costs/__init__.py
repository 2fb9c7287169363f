"""What compression costs and saves: one metric a file, found on the shelf."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.report.figures import Badge, Figure, Metric
from workbench.shelf import Shelf

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel

_READ = ("title", "unit", "less_is_better", "words", "by_device", "place", "column", "tile", "under", "axis", "parts",
         "how", "json")  # fmt: skip


class Cost(ABC):
    """One metric. Subclasses stand one in a file in `workbench/costs`; what they say of themselves is a `Metric`.

    A figure of it is in the report and its table, a column of the layers where `column` names one, an axis of the
    trade-off plot unless `axis` says no, and a tile where `tile` names one. badge: what its figures wear. at_once:
    whether it follows from what is stored; else the network has to be run, which is done when it is asked for.
    """

    title: ClassVar[str]
    unit: ClassVar[str]
    badge: ClassVar[Badge] = "modelled"
    at_once: ClassVar[bool] = True
    name: ClassVar[str]  # its key in the report: "peak_memory"
    metric: ClassVar[Metric]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__module__.removeprefix("workbench.costs.").replace(".", "_")
        cls.metric = Metric(cls.name, **{fact: getattr(cls, fact) for fact in _READ if hasattr(cls, fact)})

    @classmethod
    @abstractmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure | None:
        """The figure of a compressed network, given the empty recipe the original's; None where there is none."""

    @classmethod
    def figure(cls, value: float, **facts: Any) -> Figure:
        """A figure of this metric with the badge that its figures wear."""
        return Figure(cls.metric, value, cls.badge, **facts)


COSTS: Shelf[Cost] = Shelf("workbench.costs", Cost)  # type: ignore[type-abstract]


@cache
def costs() -> tuple[type[Cost], ...]:
    """Every metric on the shelf that is known at once, in the order in which they are shown."""
    known = [COSTS[name] for name in COSTS if COSTS.facts(name).get("at_once", True)]
    return tuple(sorted(known, key=lambda cost: (cost.metric.place, cost.name)))


def figures(compressed: EncodedModel, device: Device) -> Mapping[str, Figure]:
    """Name of a metric -> figure of a compressed network, in that order."""
    found = {cost.name: cost.of(compressed, device) for cost in costs()}
    return {name: figure for name, figure in found.items() if figure is not None}
