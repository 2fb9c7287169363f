"""Networks by name: one architecture a file, found on the shelf; listing them imports no torch."""

from __future__ import annotations

from typing import ClassVar

from workbench.shelf import Shelf


class Architecture:
    """Beside `torch.nn.Module` a base of every network here, which is built without arguments.

    title, paper, summary: for people. input_shape: of one input, without batch, that the counts are for.
    parameter_count: weights, biases and batch norm's scales and shifts. mac_count: multiply-accumulates of its layers
    for one input. Where the paper prints rounded numbers, they are what these round to.
    """

    title: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    input_shape: ClassVar[tuple[int, ...]]
    parameter_count: ClassVar[int]
    mac_count: ClassVar[int]


ARCHITECTURES: Shelf[Architecture] = Shelf("workbench.models.architectures", Architecture)
