"""What methods share that cut and train in rounds: how much goes in each, and the training between two cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from workbench.method import setting

if TYPE_CHECKING:
    from torch import nn

    from workbench.method import Course, TrainingStep
    from workbench.network.state import State


CATALOGUE = {"TT-04": "what methods that cut and train share"}

Schedule = Literal["even", "geometric", "cubic"]


def schedule_setting(default: Schedule) -> Any:
    """The field that says how the share grows from round to round."""
    return setting(
        default,
        "What goes in each round: the same share of all (even), the same share of what is left (geometric), or most at "
        "first and ever less (cubic, Zhu and Gupta 2017).",
        choices=("even", "geometric", "cubic"),
    )


def reached(share: float, number: int, rounds: int, schedule: Schedule) -> float:
    """The share that is gone after round `number`, from 1, of so many; exactly `share` after the last.

    With t = number / rounds: share · t, 1 − (1 − share)^t, or share · (1 − (1 − t)³), equation 1 of Zhu and Gupta, To
    prune, or not to prune, arXiv 1710.01878, where nothing is gone at first.
    """
    if number == rounds:
        return share
    part = number / rounds
    if schedule == "even":
        return share * part
    return 1 - (1 - share) ** part if schedule == "geometric" else share * (1 - (1 - part) ** 3)


def retrained(
    cut: State,
    course: Course,
    number: int,
    rounds: int,
    *,
    epochs: int,
    seed: int,
    learning_rate: float = 1e-3,
    begun: float = 0.0,
) -> State:
    """The state after training what is left of it, in round `number`, from 1, of so many.

    begun: the share of the course that came before the rounds.
    """
    share = begun + (1 - begun) * (number - 1) / rounds, begun + (1 - begun) * number / rounds
    return trained_on(cut, course, epochs=epochs, seed=seed + number, share=share, learning_rate=learning_rate)


def trained_on(
    cut: State,
    course: Course,
    *,
    epochs: int,
    seed: int,
    share: tuple[float, float],
    learning_rate: float = 1e-3,
    held: Callable[[nn.Module], Iterable[Callable[[], None]]] = lambda module: (),
) -> State:
    """The state after training what is left of it. share: which part of the course that is.

    A weight that is zero is zero again after every step of the optimiser, whatever its momentum wants. held: of the
    module that is trained, what else is done after every step.
    """
    module = cut.module()
    holds = [cut.holding_zeros(module), *held(module)]

    def after(step: TrainingStep) -> None:
        for hold in holds:
            hold()

    course.fit(module, epochs=epochs, learning_rate=learning_rate, seed=seed, share=share, after_step=after)
    return cut.trained(module)
