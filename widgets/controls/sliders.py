"""The sliders: their stops, methods and options, all read from the settings of the methods on the shelf.

A slider moves over whole numbers. Its stops are the steps of the setting that it drives (1 % of a share, 1 bit), and
one more where the value that switches it off, such as 32 bits, is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from widgets.controls import settings
from widgets.controls.settings import shown
from widgets.views import numbers
from workbench.errors import RecipeError
from workbench.method import AXES, METHODS, AxisName, Method, Setting

ORDER: tuple[AxisName, ...] = ("sparsity", "bits", "rank")  # in which the page shows them, most used first
_MOST_TICKS = 10


@dataclass(frozen=True)
class Slider:
    """One global slider: whole-number stops low..high, `off` among them; `scale` stops make a value of 1."""

    axis: AxisName
    low: int
    high: int
    off: int
    scale: int

    @classmethod
    def of(cls, axis: AxisName) -> Slider:
        setting = _driven(methods(axis)[AXES[axis].method])
        scale = round(1 / (setting.step or 1))
        low, high = round((setting.low or 0) * scale), round((setting.high or 0) * scale)
        low = max(low, 1) if axis == "rank" else low  # no rank at all is no layer at all
        off = round(AXES[axis].off * scale)
        if low <= off <= high:
            return cls(axis, low, high, off, scale)
        return cls(axis, low, high + 1, high + 1, scale)

    def value(self, stop: int) -> float:
        """What the method is given at `stop`."""
        if stop == self.off:
            return AXES[self.axis].off
        return stop if self.scale == 1 else stop / self.scale

    def stop(self, value: float) -> int:
        """The stop nearest to a method's value."""
        return self.off if value == AXES[self.axis].off else round(value * self.scale)

    def check(self, stop: Any, where: str = "") -> int:
        """`stop` itself. Raises RecipeError for anything but a whole number among the stops."""
        if not isinstance(stop, int) or isinstance(stop, bool) or not self.low <= stop <= self.high:
            raise RecipeError(
                f"{where}The {self.axis} slider must stand at a whole number from {self.low} to {self.high}, "
                f"not at {shown(stop)}."
            )
        return stop


@cache  # as the shelf is: every move looks it up several times
def sliders() -> Mapping[AxisName, Slider]:
    return MappingProxyType({axis: Slider.of(axis) for axis in ORDER})


@cache
def methods(axis: AxisName) -> Mapping[str, type[Method]]:
    """The methods that `axis` can drive at once, without training, the default one first."""
    found = {}
    for name, method in METHODS.items():
        driven = method.axis()
        if method.mode != "trained" and driven is not None and driven[1].axis == axis:
            found[name] = method
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: (item[0] != AXES[axis].method, item[0]))))


def options(method: type[Method]) -> dict[str, Setting]:
    """The settings of a method beside the one that its slider drives."""
    return {name: one for name, one in method.settings().items() if not one.axis}


def describe() -> list[dict[str, Any]]:
    """What the page needs to draw the sliders: plain JSON, sent once."""
    return [_slider(Slider.of(axis)) for axis in ORDER]


def _driven(method: type[Method]) -> Setting:
    driven = method.axis()
    if driven is None:
        raise RecipeError(f"Method {method.name!r} has no field that a slider drives.")
    return driven[1]


def _slider(slider: Slider) -> dict[str, Any]:
    """texts: of the stops from low to high. ticks: stops that are written below the slider, each with its text."""
    axis = AXES[slider.axis]
    stops = range(slider.low, slider.high + 1)
    few = stops if len(stops) <= _MOST_TICKS else (slider.low, 25, 50, 75, slider.high)
    texts = [numbers.on_axis(axis, slider.value(stop)) for stop in stops]
    return {
        "axis": axis.name,
        "label": axis.label,
        "help": axis.help,
        "direction": axis.direction,
        "low": slider.low,
        "high": slider.high,
        "off": slider.off,
        "texts": texts,
        "ticks": [[stop, texts[stop - slider.low].split()[0]] for stop in few],
        "methods": [_method(name, method) for name, method in methods(slider.axis).items()],
    }


def _method(name: str, method: type[Method]) -> dict[str, Any]:
    return {
        "name": name,
        "title": method.title,
        "paper": method.paper,
        "help": _driven(method).help,
        "options": settings.describe(method, options(method)),
    }
