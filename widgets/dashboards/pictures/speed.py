"""Where time goes: the layers that were timed under the roof of this machine, and what the guidelines say to that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.dashboards.picture import Picture
from widgets.views.remarks import advised
from widgets.views.roofline import roofline
from workbench.engine.looking import Moment
from workbench.errors import RecipeError
from workbench.roofline.machine import Machine, machine
from workbench.roofline.marks import LayerMarks, marks


def picture(question: Mapping[str, Any], moment: Moment) -> Picture:
    """question: measurement, a number by which the page tells one measured latency from the next."""
    if set(question) != {"measurement"} or type(question["measurement"]) is not int:
        raise RecipeError("The question of the speed must hold measurement, a whole number.")
    found = [one for one in marks(moment.report) if one.dense or one.packed]
    roof = roofline(_machine(found, moment), found) if found else None
    return Picture({"roofline": roof, "advice": advised(moment.report)})


def _machine(found: list[LayerMarks], moment: Moment) -> Machine:
    """Measured once more where torch did better than the roof, which was then measured while the machine was busy."""
    known = machine(cancelled=moment.cancelled)
    above = any(one.dense.rate > known.roof(one.dense.intensity) for one in found if one.dense)
    return machine(again=True, cancelled=moment.cancelled) if above else known
