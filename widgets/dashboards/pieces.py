"""Single pieces of the dashboard, each to be shown in a cell of its own. All that show one session move together."""

from __future__ import annotations

from widgets.dashboards.dashboard import Dashboard


class Tiles(Dashboard):
    """The figures: accuracy, size, operations, energy."""

    pieces = ("tiles",)


class Sliders(Dashboard):
    """The three sliders with their methods."""

    pieces = ("sliders",)


class Steps(Dashboard):
    """The steps of the recipe in their order: any method of the shelf."""

    pieces = ("steps",)


class Outcome(Dashboard):
    """What is wished for, and the search for a recipe that has it."""

    pieces = ("outcome",)


class TradeOff(Dashboard):
    """The plot of the recipes visited."""

    pieces = ("tradeoff",)


class Strip(Dashboard):
    """All layers side by side, each bar a control."""

    pieces = ("strip",)


class Weights(Dashboard):
    """The weights of one layer: histogram, zeros, bits, spectrum, filters."""

    pieces = ("weights",)


class Answers(Dashboard):
    """Which test images are answered otherwise than before, by class, by pair of classes, and how sure."""

    pieces = ("answers",)


class Trial(Dashboard):
    """A picture of one's own, and what both networks say of it."""

    pieces = ("trial",)


class Layers(Dashboard):
    """The layers, each with sliders of its own."""

    pieces = ("layers",)


class Graph(Dashboard):
    """The network's graph, coloured by a figure of its layers."""

    pieces = ("graph",)


class Speed(Dashboard):
    """How long one input takes, measured when asked for, and each layer under the roof of this machine."""

    pieces = ("speed",)
