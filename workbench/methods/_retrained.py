"""What methods that cut and train in rounds do between two cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.method import Course
    from workbench.network.state import State


def retrained(cut: State, course: Course, number: int, rounds: int, *, epochs: int, seed: int) -> State:
    """The state after training what is left of it, in round `number`, from 1, of so many.

    A weight that is zero is zero again after every step of the optimiser, whatever its momentum wants.
    """
    module = cut.module()
    hold = cut.holding_zeros(module)
    course.fit(
        module,
        epochs=epochs,
        learning_rate=1e-3,
        seed=seed + number,
        share=((number - 1) / rounds, number / rounds),
        after_step=lambda step, steps: hold(),
    )
    return cut.trained(module)
