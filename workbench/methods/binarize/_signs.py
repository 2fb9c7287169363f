"""What XNOR-Net and its preview share: weights on two levels a filter, inputs as signs, and the paper's counts."""

from __future__ import annotations

from typing import Any, Literal, cast

from workbench.evidence import Layout
from workbench.method import METHODS, Layerwise, setting
from workbench.weights.form import Form
from workbench.weights.levels.signs import Signs

Scale = Literal["windows", "none"]
_WORD = 64  # signs that one operation multiplies


def scale_setting() -> Any:
    """A method's field that says whether K is used."""
    return setting(
        "windows",
        "Multiply a layer's sums by the mean magnitude of the inputs that each of them sees (K), or not.",
        choices=("windows", "none"),
    )


def binary_weights() -> Layerwise:
    """α · sign(W) with α = mean |W| of each filter, which is nearest to W (the paper's equation 6)."""
    chosen = {"bits": 1, "per": "channel", "symmetric": "yes"}
    return cast(Layerwise, METHODS["quantize.uniform"](**chosen))


def with_sign_inputs(form: Form, scale: Scale) -> Form:
    """The same weights behind an input of which the signs are left."""
    return form.with_entering(Signs(by_window=scale == "windows"))


def end_of_network(layout: Layout) -> str | None:
    """Why the layer is spared, as the end of a sentence (section 4: the first and the last layer)."""
    if not (layout.first or layout.output):
        return None
    return "is the first or the last layer, which the paper keeps in full precision; a step that names it does not"


def speed_up(channels: int, window: int) -> float:
    """How many times fewer operations signs take than 32-bit products: 64 · c · N / (c · N + 64), section 3.2.

    For each output of a convolution, c · N products against c · N / 64 of words and one with K. channels: c, of the
    input. window: N, the weights that a filter has in each. For 256 channels and 3 x 3 weights it is 62.3; the paper
    measured 58.
    """
    products = channels * window
    return _WORD * products / (products + _WORD)
