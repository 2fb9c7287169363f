"""The weights of one layer: histogram, zeros, bits, spectrum and filters, in one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.controls.settings import shown
from widgets.dashboards.picture import Picture
from widgets.views import numbers
from widgets.views import weights as written
from widgets.views.layers import kind
from workbench.engine.looking import Moment
from workbench.errors import BlankError, RecipeError, Stopped
from workbench.insight.bits import stored
from workbench.insight.distribution import histograms, pruned
from workbench.insight.filters import filters
from workbench.insight.mask import mask
from workbench.insight.spectrum import spectrum
from workbench.names import printable
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.weights.form import Form


def picture(question: Mapping[str, Any], moment: Moment) -> Picture:
    """question: {"layer": its name, None for the largest; "factor": number of the tensor that it is stored as}.

    Buffers: the zeros, and the kernels before and after where there are such. Raises BlankError without weights.
    """
    compressed = moment.compressed
    if compressed.model.blank:
        raise BlankError(f"{compressed.model.name} is known by its shapes alone: it has no weights to look at.")
    layer = _layer(question, compressed.model)
    form, before = compressed.stored[layer.name], layer.form
    number = _factor(question, form)
    part = form.parts[number].made
    steps = (
        lambda: _histogram(before, form, number),
        lambda: spectrum(before, form),
        lambda: filters(before.parts[0].values, form.compose()) if layer.kind == "conv2d" else None,
        lambda: stored(compressed, layer.name, number),
    )
    found: list[Any] = []
    for step in steps:
        if moment.cancelled():
            raise Stopped
        found.append(step())
    counted, values, kernels, lying = found
    outputs, inputs = part.alive
    zeros = mask(part)
    content = {
        "layer": layer.name,
        "layers": [{"name": one.name, "label": printable(one.name)} for one in compressed.model.layers],
        "factor": number,
        "factors": [
            f"factor {place + 1}: {numbers.TIMES.join(str(side) for side in one.shape)}"
            for place, one in enumerate(form.parts)
        ]
        if form.factored
        else [],
        "title": kind(layer.kind, layer.shape),
        "histogram": counted,
        "zeros": written.zeros(zeros, int(outputs.sum()), int(inputs.sum()), inputs.size),
        "bits": written.bits(lying),
        "spectrum": written.spectrum(values),
        "filters": written.filters(kernels),
    }
    shades = [] if kernels is None else [kernels.shades(one).tobytes() for one in (kernels.before, kernels.after)]
    return Picture(content, (zeros.packed(), *shades))


def _layer(question: Mapping[str, Any], model: Model) -> Layer:
    if set(question) != {"layer", "factor"}:
        raise RecipeError("A look at weights asks for a layer and a factor.")
    name = question["layer"]
    if name is None:
        return max(model.layers, key=lambda layer: layer.size)
    found = next((layer for layer in model.layers if layer.name == name), None)
    if found is None:
        raise RecipeError(f"There is no layer {shown(name)} to look at.")
    return found


def _factor(question: Mapping[str, Any], form: Form) -> int:
    """The last one there is, where fewer are left than there were."""
    number = question["factor"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise RecipeError(f"The number of a factor must be a whole number, not {shown(number)}.")
    return min(number, len(form.parts) - 1)


def _histogram(before: Form, form: Form, number: int) -> dict[str, Any]:
    after = form.parts[number].values
    if form.factored:
        (counted,) = histograms(after)
        return written.histogram(None, counted, None)
    original = before.parts[0].values
    was, now = histograms(original, after)
    return written.histogram(was, now, pruned(original, after))
