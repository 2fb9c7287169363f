"""Figures: one number of one network, with everything that it needs to be written, listed and drawn.

Plain data, without torch or numpy. What a metric is called and how it is read goes with every figure of it, so that a
table, a tile, a column or an axis is made of figures alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Badge = Literal["modelled", "simulated", "measured", "on disk"]
_JSON = ("value", "low", "high", "split", "at_least", "unit", "badge", "note")


@dataclass(frozen=True)
class Metric:
    """What a figure is of.

    name: its key in the report, as "peak_memory". title: for people. unit: SI, "bytes", or a noun in the plural.
    words: what one says of less and of more of it ("20.5x smaller"). by_device: whether it depends on the device.
    place: where it stands among the others; of two with the same, the names decide.

    column: its key in a layer's row, "" for none. tile: the label of its tile, "" for none. under: name of the metric
    in whose tile it is told. axis: whether the trade-off plot offers it. parts: what the parts of a figure are called
    (key -> words). how: how it comes about, with its source, in a sentence or two. json: keys of a figure in the JSON
    report, in order; without any, it is the number alone.
    """

    name: str
    title: str
    unit: str
    less_is_better: bool = True
    words: tuple[str, str] = ("less", "more")
    by_device: bool = False
    place: int = 100
    column: str = ""
    tile: str = ""
    under: str = ""
    axis: bool = True
    parts: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    json: tuple[str, ...] = _JSON


@dataclass(frozen=True)
class Figure:
    """One number of one network.

    low, high: the range that it may lie in, None where it is exact. split: what it is the sum of. at_least: whether
    something was left out that could not be counted. whole: what it is a share of, where that is worth showing.
    by_layer: what each layer has of it. says: sentences for a reader who looks closer. note: what it rests on.
    """

    metric: Metric
    value: float
    badge: Badge = "modelled"
    low: float | None = None
    high: float | None = None
    split: Mapping[str, float] = field(default_factory=dict)
    at_least: bool = False
    whole: float | None = None
    by_layer: Mapping[str, float] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    note: str = ""

    @property
    def by_part(self) -> Mapping[str, float]:
        """The split of a size."""
        return self.split

    @property
    def unit(self) -> str:
        return self.metric.unit

    def to_object(self) -> Any:
        """As it stands in the JSON report; a fact that it has not is left out, unless the metric asks for it."""
        if not self.metric.json:
            return self.value
        content = {key: getattr(self, key) for key in self.metric.json}
        if self.metric.json is _JSON:
            content = {key: value for key, value in content.items() if value not in (None, False, "", {}) or value == 0}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in content.items()}


@dataclass(frozen=True)
class Paired:
    """The compressed network beside the original on the same images, all of them run.

    gained, lost: images that only the compressed one, or only the original, answers rightly; None of a score that is no
    share of right answers. p: how often chance alone parts two equally good networks as far. clear: whether that is so
    seldom that it counts as a difference.
    """

    gained: int | None
    lost: int | None
    p: float
    clear: bool


@dataclass(frozen=True)
class Accuracy:
    """Share of test images answered rightly, or another score that is 1 at best, with its 95 % interval.

    low, high: None where too few images have been run to know them. share: whether it is such a share, and so all three
    between 0 and 1; else it may be below 0. images: how many test images have been run. exact: whether those are all
    that were asked for; while it is False, `value` is an estimate. badge: "measured" for the original, "simulated" for
    decoded compressed weights run in torch.
    title: what the images' task calls it. beside: its other scores, each with its own interval. paired: how it compares
    with the original, None while that is not known. guessing: what naming the most frequent label every time would get,
    None where that is not what is asked.
    """

    value: float
    low: float | None
    high: float | None
    images: int
    badge: Badge
    exact: bool
    title: str = "Accuracy"
    share: bool = True
    beside: tuple[Figure, ...] = ()
    paired: Paired | None = None
    guessing: float | None = None

    @property
    def no_better_than_guessing(self) -> bool:
        """Whether all images were run and the interval does not rise above guessing."""
        low = self.value if self.low is None else self.low
        return self.exact and self.guessing is not None and low <= self.guessing

    def to_object(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "images": self.images,
            "badge": self.badge,
            **({} if self.title == "Accuracy" else {"title": self.title}),
            **{figure.metric.name: figure.to_object() for figure in self.beside},
            **({"paired": asdict(self.paired)} if self.paired else {}),
        }


@dataclass(frozen=True)
class Latency:
    """Median seconds of one inference on this machine, at batch size 1.

    low, high: the quartiles, between which the middle half of all timings lies. threads: that it ran on.
    """

    median: float
    badge: Badge = "measured"
    low: float | None = None
    high: float | None = None
    threads: int | None = None

    def to_object(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Figures:
    """All figures of one network. accuracy is None without test images or before the first of them has been run.

    costs: metric -> figure, in the order in which they are shown. A cost can be asked for as an attribute, too, and is
    then what it is in the JSON report, the figure or the number alone: `figures.size.value`, `figures.macs`.
    """

    accuracy: Accuracy | None
    costs: Mapping[str, Figure]
    latency: Latency | None = None

    def __getattr__(self, name: str) -> Any:
        costs = self.__dict__.get("costs", {})  # there is none yet while a copy is made
        if name not in costs:
            raise AttributeError(f"there is no figure {name!r}; there are {', '.join(costs)}")
        return costs[name] if costs[name].metric.json else costs[name].value

    def to_object(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy and self.accuracy.to_object(),
            **{name: figure.to_object() for name, figure in self.costs.items()},
            "latency": self.latency and self.latency.to_object(),
        }
