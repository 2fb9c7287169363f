"""What trainings in low precision share: where they begin, what they hold, and who moves the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import RecipeError
from workbench.method import Course, TrainingStep, setting
from workbench.methods._drawn import drawn
from workbench.methods.precision._emulated import Arithmetic, Emulation

if TYPE_CHECKING:
    from torch import nn

    from workbench.network.state import State

Begin = Literal["anew", "network"]


def begin_setting() -> Any:
    """The field that says what the training begins with."""
    return setting(
        "anew",
        "Where training begins: with weights drawn anew by the seed, as the paper does, or with the network as it is.",
        choices=("anew", "network"),
    )


def rate_setting(default: float = 0.1) -> Any:
    """The field of the learning rate of gradient descent without momentum."""
    return setting(
        default, "What a step moves a weight by for a gradient of 1, at most.", low=0.001, high=1.0, step=0.001
    )


def trained(
    state: State,
    layers: tuple[str, ...],
    course: Course,
    arithmetic: Arithmetic,
    owner: str,
    *,
    begin: Begin,
    epochs: int,
    learning_rate: float,
    seed: int,
) -> tuple[State, Emulation]:
    """The state after training in an arithmetic, with the parameters that its products saw, and what trained it.

    Zeros stay zero. Layers that the step is not for keep their weights, and compute in float32. owner: the method.
    Raises RecipeError for a network with side exits.
    """
    for layer in state.model.layers:
        if state.model.layout(layer).exit:
            raise RecipeError(f"{owner}: {layer.name} answers at a side exit, and only one loss has errors here.")
    first = drawn(state, seed, owner) if begin == "anew" else state
    others = [layer.name for layer in state.model.layers if layer.name not in layers]
    first = first.with_forms({name: state.forms[name] for name in others})
    module = first.module()
    hold = state.holding_zeros(module)
    hold()
    emulation = Emulation(module, layers, _parameters(module, others), arithmetic, seed)

    def after_step(step: TrainingStep) -> None:
        emulation.after_step(step)
        hold()

    try:
        course.fit(
            module,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            weight_decay=0.0,
            before_step=emulation.before_step,
            after_step=after_step,
        )
    finally:
        emulation.end()
    return state.trained(module).with_forms({name: state.forms[name] for name in others}), emulation


def _parameters(module: nn.Module, layers: list[str]) -> set[str]:
    """Names of those of these layers."""
    return {
        name
        for name, _ in module.named_parameters()
        if any(name == one or name.startswith(f"{one}.") for one in layers)
    }
