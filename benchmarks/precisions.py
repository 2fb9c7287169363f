"""`workbench bench precisions`: energy against test error on MNIST, three networks, seven precisions each.

The picture of figure 1 in Goel, Tung, Lu, Thiruvathukal 2020 (arXiv 2003.11066), which gives no data, from figures that
are counted and modelled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import workbench
from workbench.accuracy.intervals import Interval
from workbench.engine.training import train
from workbench.method import METHODS, Method
from workbench.network.model import load
from workbench.recipe import Recipe, Step
from workbench.report.front import front

CATALOGUE = ("FT-05",)

NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist", "branchy-lenet/mnist")
DEVICE = "horowitz-45nm"


def _method(name: str, **settings: Any) -> Method:
    return METHODS[name](**settings)


# Of the weights, from wide to narrow; everything else stays float32. What has a method that trains is trained.
PRECISIONS: dict[str, Recipe] = {
    "float, 32 bits": Recipe(),
    "fixed point, 16 bits": Recipe((Step(_method("precision.fixed-point", bits=16, integer=4)),)),
    "8 bits": Recipe((Step(_method("quantize.aware", bits=8)),)),
    "LightNN-2": Recipe((Step(_method("quantize.trained-light-nn", terms=2)),)),
    "4 bits": Recipe((Step(_method("quantize.aware", bits=4)),)),
    "LightNN-1": Recipe((Step(_method("quantize.trained-light-nn", terms=1)),)),
    "binary, 1 bit": Recipe((Step(_method("quantize.aware", bits=1)),)),
}


@dataclass(frozen=True)
class Point:
    """One network at one precision. size: bytes of its file. energy: joules, low, value, high. error: 1 − accuracy on
    the test images, 0..1, with its interval. kind: "faithful" or "preview"."""

    network: str
    precision: str
    size: int
    energy: tuple[float, float, float]
    error: Interval
    kind: str


def run(networks: Iterable[str] = NETWORKS, progress: Callable[[str], None] = lambda text: None) -> list[Point]:
    """A point for each of `networks` at each of the `PRECISIONS`; what neither Store nor ladder has is trained."""
    return [point for name in networks for point in _points(name, progress)]


def _points(name: str, progress: Callable[[str], None]) -> Iterator[Point]:
    model = load(name)
    for precision, recipe in PRECISIONS.items():
        progress(f"{name}: {precision}")
        report = workbench.assess(train(model, recipe), DEVICE)
        accuracy, energy = report.compressed.accuracy, report.compressed.energy
        assert accuracy is not None and accuracy.low is not None and accuracy.high is not None
        assert energy.low is not None and energy.high is not None
        yield Point(
            name,
            precision,
            int(report.compressed.size.value),
            (energy.low, energy.value, energy.high),
            Interval(1 - accuracy.high, 1 - accuracy.value, 1 - accuracy.low),
            report.kind,
        )


def best(points: list[Point]) -> list[Point]:
    """Those that no other is better than in energy or error and no worse in the other, from the least energy on."""
    return [points[place] for place in front([(point.energy[1], point.error.value) for point in points], (True, True))]


def page(points: list[Point], machine: dict[str, Any]) -> str:
    """As Markdown. A point in bold is on the front."""
    chosen = best(points)
    lines = [
        "# Energy against error",
        "",
        "Made by `workbench bench precisions --markdown docs/precisions.md`; do not edit by hand.",
        "",
        f"{machine['processor']}, {machine['cores']} cores; torch {machine['torch']}. MNIST, weights of seven "
        "precisions, activations in float32. Energy: modelled, of one image, on the 45 nm accelerator of Horowitz "
        "2014; the range is that of three machines that reuse all data, tiles of them, or none. Error: of all test "
        "images, with its 95 % interval. Weights of 8 bits and fewer were trained with their rounding, on the 9,000 "
        "images that come with the workbench. Between 8 and 16 bits the device computes with 16, so LightNN-2, whose "
        "two terms take 10, saves storage there and hardly any energy. In bold the front: no other point has less "
        "energy without more error. The picture of figure 1 in Goel et al. 2020, which comes without data.",
        "",
        "| network | weights | kB | energy, \u00b5J | range | error, % | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for point in points:
        low, value, high = (f"{1e6 * joules:.3g}" for joules in point.energy)
        error = tuple(f"{100 * share:.2f}" for share in (point.error.low, point.error.value, point.error.high))
        mark = "**" if point in chosen else ""
        lines.append(
            f"| {point.network} | {mark}{point.precision}{mark} | {point.size / 1000:.1f} | {mark}{value}{mark} | "
            f"{low}..{high} | {mark}{error[1]}{mark} | {error[0]}..{error[2]} |"
        )
    return "\n".join([*lines, "", *_verdicts(points)]) + "\n"


def _verdicts(points: list[Point]) -> Iterator[str]:
    """What the survey's picture is said to show, network by network."""
    for name in dict.fromkeys(point.network for point in points):
        own = [point for point in points if point.network == name]
        least = min(own, key=lambda point: point.energy[1])
        most = max(own, key=lambda point: point.error.value)
        narrow = own[-1]
        yield (
            f"- {name}: that {narrow.precision} takes the least energy {_holds(least is narrow, least)}; that it has "
            f"the most errors {_holds(most is narrow, most)}."
        )
        for wide, narrower in pairwise(own):
            if narrower.error.value <= wide.error.value:
                yield f"- {name}: {narrower.precision} errs no more than {wide.precision}."


def _holds(so: bool, instead: Point) -> str:
    return "holds" if so else f"does not hold ({instead.precision} does)"
