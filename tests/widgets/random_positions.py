"""Any position of the page."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from widgets.controls.position import Position
from widgets.controls.sliders import methods, options, sliders
from widgets.controls.steps import Added
from workbench.method import AXES, METHODS, Method, Setting

LAYERS = st.sampled_from(["fc1", "fc2", "conv1", "a", "b, fc1 90 %"])
STOPS = {axis: st.integers(slider.low, slider.high) for axis, slider in sliders().items()}


@st.composite
def positions(draw: Any) -> Position:
    """Any position of the page, most with few choices, so that two of them are often nearly the same."""
    chosen = {axis: draw(st.sampled_from(list(methods(axis)))) for axis in AXES}
    added = draw(st.lists(st.sampled_from(list(METHODS)), max_size=2))
    return Position(
        "lenet-5/mnist",
        "horowitz-45nm",
        {
            axis: draw(st.sampled_from([slider.off, slider.low, slider.high]) | STOPS[axis])
            for axis, slider in sliders().items()
        },
        chosen,
        {axis: draw(choices(methods(axis)[chosen[axis]], options(methods(axis)[chosen[axis]]))) for axis in AXES},
        draw(st.dictionaries(LAYERS, st.fixed_dictionaries({}, optional=STOPS), max_size=5)),
        tuple(
            draw(
                st.permutations(
                    [
                        *AXES,
                        *(
                            Added(METHODS[name](**draw(choices(METHODS[name], METHODS[name].settings()))))
                            for name in added
                        ),
                    ]
                )
            )
        ),
    )


def choices(method: type[Method], known: Any) -> Any:
    """Settings that differ from the defaults, mostly none."""
    return st.fixed_dictionaries({}, optional={name: value(method.settings()[name]) for name in known})


def value(setting: Setting) -> Any:
    if setting.choices:
        return st.sampled_from(setting.choices)
    if isinstance(setting.step, int):
        return st.integers(int(setting.low), int(setting.high))
    return st.floats(setting.low, setting.high) | st.just((setting.low + setting.high) / 2)
