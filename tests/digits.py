"""Perceptrons on MNIST, drawn anew, for trainings that compare one thing over seeds."""

import torch
from torch import nn

import workbench
from workbench.method import Trained
from workbench.models import zoo
from workbench.network.model import Model
from workbench.network.state import State
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy


def perceptron(*hidden: int, norm: bool = False, relu: bool = True) -> State:
    """784 inputs, so many hidden units, 10 answers, on 9,000 digits; with batch norm behind every layer, or without."""
    torch.manual_seed(0)
    mnist = workbench.load("lenet-300-100/mnist")
    normalize = zoo.build("lenet-300-100", 0).normalize
    normalize.load_state_dict(mnist.module.normalize.state_dict())
    parts: list[nn.Module] = [normalize, nn.Flatten()]
    for before, after in zip((784, *hidden), (*hidden, 10), strict=True):
        parts.append(nn.Linear(before, after))
        if norm:
            parts.append(nn.BatchNorm1d(after))
        if relu:
            parts.append(nn.ReLU())
    name = "-".join(map(str, (784, *hidden, 10)))
    module = nn.Sequential(*(parts[:-1] if relu else parts)).eval()
    return State.of(Model.from_module(module, torch.zeros(1, 1, 28, 28), mnist.data, name))


def reached(state: State, method: Trained, layers: tuple[str, ...] | None = None) -> float:
    """Test accuracy of what the method trains out of `state`."""
    course = TrainingCourse(state.model.data, lambda told: None)
    (*_, found) = method.train(state, tuple(state.forms) if layers is None else layers, course)
    return accuracy(found.module(), state.model.data.split("test"))


def said(found: list[float]) -> str:
    return " ".join(f"{one:.2%}" for one in found)
