"""The sliders: their stops, methods and options, all read from the settings of the methods on the shelf.

A slider moves over whole numbers. Its stops are the steps of the setting that it drives (1 % of a share, 1 bit), and
one more where the value that switches it off, such as 32 bits, is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.errors import RecipeError
from workbench.method import METHODS, Axis, Method, Setting
from workbench.recipe import DEFAULTS, OFF

# In the order in which the page shows them.
AXES: tuple[Axis, ...] = ("sparsity", "bits", "rank")
_LABELS = {"sparsity": "Sparsity", "bits": "Bits", "rank": "Rank"}
_HELP = {
    "sparsity": "How many weights become exactly zero. Zeros need not be stored or multiplied.",
    "bits": "How wide one stored weight is. Fewer bits, fewer different values.",
    "rank": "How much of each weight matrix is kept when it is split into two thinner ones.",
}


@dataclass(frozen=True)
class Slider:
    """One global slider: whole-number stops low..high, `off` among them; `scale` stops make a value of 1."""

    axis: Axis
    low: int
    high: int
    off: int
    scale: int

    @classmethod
    def of(cls, axis: Axis) -> Slider:
        setting = _driven(methods(axis)[DEFAULTS[axis]])
        scale = round(1 / (setting.step or 1))
        low, high = round((setting.low or 0) * scale), round((setting.high or 0) * scale)
        low = max(low, 1) if axis == "rank" else low  # no rank at all is no layer at all
        off = round(OFF[axis] * scale)
        if low <= off <= high:
            return cls(axis, low, high, off, scale)
        return cls(axis, low, high + 1, high + 1, scale)

    def value(self, stop: int) -> float:
        """What the method is given at `stop`."""
        if stop == self.off:
            return OFF[self.axis]
        return stop if self.scale == 1 else stop / self.scale

    def stop(self, value: float) -> int:
        """The stop nearest to a method's value."""
        return self.off if value == OFF[self.axis] else round(value * self.scale)

    def check(self, stop: Any, where: str = "") -> int:
        """`stop` itself. Raises RecipeError for anything but a whole number among the stops."""
        if not isinstance(stop, int) or isinstance(stop, bool) or not self.low <= stop <= self.high:
            raise RecipeError(
                f"{where}The {self.axis} slider must stand at a whole number from {self.low} to {self.high}, "
                f"not at {shown(stop)}."
            )
        return stop


def sliders() -> dict[Axis, Slider]:
    return {axis: Slider.of(axis) for axis in AXES}


def methods(axis: Axis) -> dict[str, type[Method]]:
    """The methods that `axis` can drive at once, without training, the default one first."""
    found = {}
    for name, method in METHODS.items():
        driven = method.axis()
        if method.mode != "trained" and driven is not None and driven[1].axis == axis:
            found[name] = method
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULTS[axis], item[0])))


def options(method: type[Method]) -> dict[str, Setting]:
    """The settings of a method beside the one that its slider drives."""
    return {name: one for name, one in method.settings().items() if not one.axis}


def describe() -> list[dict[str, Any]]:
    """What the page needs to draw the sliders: plain JSON, sent once."""
    return [_slider(Slider.of(axis)) for axis in AXES]


def shown(value: Any) -> str:
    """`value` in an error message: never long, whatever a page sent."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _driven(method: type[Method]) -> Setting:
    driven = method.axis()
    if driven is None:
        raise RecipeError(f"Method {method.name!r} has no field that a slider drives.")
    return driven[1]


def _slider(slider: Slider) -> dict[str, Any]:
    return {
        "axis": slider.axis,
        "label": _LABELS[slider.axis],
        "help": _HELP[slider.axis],
        "unit": "bits" if slider.axis == "bits" else "%",
        "low": slider.low,
        "high": slider.high,
        "off": slider.off,
        "off_text": "32 bits (float)" if slider.axis == "bits" else f"{slider.off} %",
        "methods": [_method(name, one) for name, one in methods(slider.axis).items()],
    }


def _method(name: str, method: type[Method]) -> dict[str, Any]:
    defaults = method()
    return {
        "name": name,
        "title": method.title,
        "paper": method.paper,
        "help": _driven(method).help,
        "options": [
            {
                "name": option,
                "label": option.replace("_", " ").capitalize(),
                "help": one.help,
                "choices": list(one.choices),
                "low": one.low,
                "high": one.high,
                "step": one.step,
                "default": getattr(defaults, option),
            }
            for option, one in options(method).items()
        ],
    }
