"""From a compressed model to its report: the exact costs first, then accuracy, image after image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workbench.accuracy.examiner import Examiner, Standing, image_count
from workbench.accuracy.reference import original
from workbench.cache import Cache
from workbench.compression.compressed import CompressedModel
from workbench.costs import figures
from workbench.costs import latency as latencies
from workbench.devices.device import Device
from workbench.engine import untouched
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.report.figures import Accuracy, Figure, Figures
from workbench.report.layers import LayerRow
from workbench.report.report import Report
from workbench.tasks import TASKS
from workbench.weights.form import Form

DEFAULT_DEVICE = "horowitz-45nm"
BLANK = (
    "This network has no weights here: what follows from its shapes and the settings is modelled. Its accuracy, its "
    "latency and whatever follows from values, as codebooks and the content of factors do, are not known; rounding is "
    "taken to make no zeros, and pruning to take the same share of every layer."
)
_originals: Cache[Figures] = Cache(ceiling=2**22)


def assess(
    compressed: CompressedModel,
    device: str = DEFAULT_DEVICE,
    images: int | None = None,
    *,
    latency: bool = False,
    progress: Callable[[float], None] = lambda share: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Report:
    """Every figure of `compressed` beside the original's.

    images: how many test images accuracy is counted on, all by default; the first ones in class-balanced order.
    latency: whether to measure it, too: a third of a second, and more where a kernel must be compiled first. No two
    measurements are equal. progress: called with the share of images run, 0..1. Raises DeviceError, DataError, and
    Stopped where `cancelled` says so.
    """
    report = costs(compressed, device)
    image_count(compressed.model, images)
    standing = None
    for standing in Examiner(budget=0).accuracies(compressed, images, cancelled):
        progress(standing.share)
    if standing is not None:
        report = with_accuracy(report, standing)
    if not latency or compressed.model.blank:  # which cannot be run
        return report
    return with_latency(report, latencies.measure(compressed, cancelled=cancelled))


def costs(compressed: CompressedModel, device: str = DEFAULT_DEVICE) -> Report:
    """The report but for its accuracy: what needs no image, exact and at once. Raises DeviceError."""
    model, on = compressed.model, Device.load(device)
    found = _figures(compressed, on)
    return Report(
        model=model.name,
        data=_about_data(model),
        device=on.name,
        recipe={**compressed.recipe.to_object(), "digest": compressed.recipe.digest},
        original=_original_figures(compressed, on),
        compressed=found,
        layers=_rows(compressed, found),
        beside=untouched.beside(compressed, found.size.value),
        notes=(
            *((BLANK,) if model.blank else ()),
            *untouched.said(compressed),
            *(note.text for note in compressed.notes if not note.layer),
        ),
        kind="faithful" if compressed.faithful else "preview",
        input_shape=model.input_shape,
        previews=compressed.previews,
        trained_from=compressed.trained_from,
        shipped=compressed.shipped,
    )


def with_accuracy(report: Report, standing: Standing) -> Report:
    """`report` with what is known of both accuracies."""
    before = None if report.original is None else _run(report.original, standing.original, standing.before)
    return replace(report, original=before, compressed=_run(report.compressed, standing.compressed, standing.work))


def _run(figures: Figures, accuracy: Accuracy | None, work: Figure | None) -> Figures:
    """With what running images has told; work: the mean over them, of a network with side exits."""
    beside = {} if work is None else {work.metric.name: work}
    return replace(figures, accuracy=accuracy, costs={**figures.costs, **beside})


def with_latency(report: Report, found: latencies.Latencies) -> Report:
    """`report` with what was measured of both networks and of every layer."""
    before = None if report.original is None else replace(report.original, latency=found.dense)
    rows = tuple(
        replace(row, dense_latency=one.dense, latency=one.packed, latency_note=one.note, runs_dense=one.runs_dense)
        for row in report.layers
        for one in (found.by_layer[row.name],)
    )
    return replace(report, original=before, compressed=replace(report.compressed, latency=found.packed), layers=rows)


def _about_data(model: Model) -> dict[str, Any] | None:
    if model.data is None:
        return None
    test = model.data.split("test")
    return {
        "name": model.data.name,
        "title": model.data.title,
        "split": test.name,
        "images": len(test),
        "digest": test.digest,
        "task": model.data.task,
        "score": TASKS[model.data.task].score,
    }


def _original_figures(compressed: CompressedModel, device: Device) -> Figures | None:
    """Computed once for each network and device."""
    if not compressed.from_file:
        empty = CompressedModel.of(compressed.original)
        return _originals.get(device, lambda: _figures(empty, device), compressed.original)
    reference = original(compressed)
    return None if reference is None else _original_figures(CompressedModel.of(reference.model), device)


def _figures(compressed: CompressedModel, device: Device) -> Figures:
    return Figures(None, figures(compressed, device))


def _rows(compressed: CompressedModel, found: Figures) -> tuple[LayerRow, ...]:
    notes: dict[str, list[str]] = {}
    for note in compressed.notes:
        notes.setdefault(note.layer, []).append(note.text)
    columns = [figure for figure in found.costs.values() if figure.metric.column]
    return tuple(
        LayerRow(
            name=layer.name,
            kind=layer.kind,
            shape=layer.shape,
            weights=sum([part.size for part in form.parts]),
            nonzeros=sum([part.nonzeros for part in form.parts]),
            bits=max([part.bits for part in form.parts]),
            input_bits=form.entering_bits,
            rank=form.rank,
            break_even_rank=_break_even(compressed.model, layer, form),
            encoding=encoding,
            costs={figure.metric.column: figure.by_layer[layer.name] for figure in columns},
            note=" ".join(notes.get(layer.name, ())),
        )
        for layer, form, (encoding, _) in zip(
            compressed.model.layers, compressed.stored.values(), compressed.plans.values(), strict=True
        )
    )


def _break_even(model: Model, layer: Layer, form: Form) -> int | None:
    """Largest rank at which two factors hold no more weights; of the channel form where the layer has none yet."""
    if form.break_even is not None:
        return int(form.break_even)
    if model.layout(layer).unfactorable:
        return None
    return layer.size // (layer.shape[0] + layer.size // layer.shape[0])
