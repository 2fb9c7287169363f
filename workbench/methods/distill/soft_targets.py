"""Knowledge distillation: a smaller network learns the probabilities that a larger one gives to all classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from workbench.errors import RecipeError
from workbench.method import Course, Teaching, Trained, setting
from workbench.shelf import Shelf

if TYPE_CHECKING:
    from workbench.network.state import State

_ARCHITECTURES: Shelf[object] = Shelf("workbench.models.architectures", object)


@dataclass(frozen=True)
class SoftTargets(Trained):
    """The network before the step is the teacher; what the step gives is the student, with layers of its own.

    It is trained from the start on (1 − α) · CE(y, σ(z_s)) + α · T² · KL(σ(z_t/T) ‖ σ(z_s/T)), where z are the scores
    before the softmax σ (`Teaching`). Few images are where it gains: the teacher has seen more of them than the student
    does.
    """

    replaces = True
    catalogue = ("KD-03",)
    title = "Knowledge distillation"
    paper = "Hinton, Vinyals, Dean, Distilling the knowledge in a neural network, arXiv 1503.02531, 2015, section 2"

    student: str = setting(
        "perceptron-20",
        "Architecture of the student: one that takes the same images and tells the same classes.",
        choices=tuple(_ARCHITECTURES),
    )
    temperature: float = setting(4.0, "T: how much the probabilities are softened.", low=1.0, high=20.0, step=0.5)
    alpha: float = setting(
        0.9, "α: weight of the teacher's probabilities beside the labels.", low=0.0, high=1.0, step=0.05
    )
    images: int = setting(10_000, "How many training images the student sees.", low=10, high=100_000, step=10)
    epochs: int = setting(50, "Passes over these images.", low=1, high=500, step=1)

    def stand_in(self) -> None:
        """A student that has learned nothing would say nothing."""

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        teacher, data = state.module(), state.model.data
        student = course.network(self.student, f"{self.student} taught by {state.model.name}", self.seed)
        module, example = student.module(), torch.zeros(1, *state.model.input_shape)
        with torch.no_grad():
            taught, given = (tuple(network(example).shape) for network in (teacher, module))
        if data is None or data.task != "classification" or taught != given:
            raise RecipeError(
                f"{self.name}: student {self.student} gives {given[-1]} scores where {state.model.name} gives "
                f"{taught[-1]}; only classes can be taught, and both must tell the same ones."
            )
        teaching = Teaching(teacher, self.alpha, self.temperature)
        course.fit(
            module, epochs=self.epochs, learning_rate=3e-3, seed=self.seed, images=self.images, teaching=teaching
        )
        yield student.trained(module)
