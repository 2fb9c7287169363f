"""What methods that cut and train in rounds do between two cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.method import Course
    from workbench.network.state import State


def retrained(
    cut: State, course: Course, number: int, rounds: int, *, epochs: int, seed: int, begun: float = 0.0
) -> State:
    """The state after training what is left of it, in round `number`, from 1, of so many.

    begun: the share of the course that came before the rounds. A weight that is zero is zero again after every step of
    the optimiser, whatever its momentum wants.
    """
    module = cut.module()
    hold = cut.holding_zeros(module)
    course.fit(
        module,
        epochs=epochs,
        learning_rate=1e-3,
        seed=seed + number,
        share=(begun + (1 - begun) * (number - 1) / rounds, begun + (1 - begun) * number / rounds),
        after_step=lambda step: hold(),
    )
    return cut.trained(module)
