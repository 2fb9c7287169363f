"""From a compressed model to its report: the exact costs first, then accuracy, image after image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.compressed import CompressedModel, Stopped, compress
from workbench.costs import energy, operations
from workbench.costs import latency as latencies
from workbench.data.datasets import Split
from workbench.device import Device
from workbench.errors import DataError
from workbench.evaluate.accuracy import BATCH, answers, selection
from workbench.evaluate.intervals import binomial, paired
from workbench.form import Form
from workbench.model import Layer, Model, load
from workbench.models import zoo
from workbench.recipe import Recipe
from workbench.report import Accuracy, Badge, Figures, LayerRow, Report

DEFAULT_DEVICE = "horowitz-45nm"
_originals: Cache[CompressedModel] = Cache(ceiling=2**26)
_inputs: Cache[NDArray[np.float32]] = Cache(ceiling=2**26)
_chosen: Cache[Split] = Cache(ceiling=2**26)
_original_answers: Cache[NDArray[np.int64]] = Cache(ceiling=2**24)


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
    for was, now, share in accuracies(compressed, images, cancelled):
        report = with_accuracy(report, was, now)
        progress(share)
    return with_latency(report, latencies.measure(compressed, cancelled=cancelled)) if latency else report


def costs(compressed: CompressedModel, device: str = DEFAULT_DEVICE) -> Report:
    """The report but for its accuracy: what needs no image, exact and at once. Raises DeviceError."""
    model, on, reference = compressed.model, Device.load(device), original(compressed)
    figures, rows = _figures(compressed, on)
    return Report(
        model=model.name,
        data=_about_data(model),
        device=on.name,
        recipe={**compressed.recipe.to_object(), "digest": compressed.recipe.digest},
        original=None if reference is None else _figures(reference, on)[0],
        compressed=figures,
        layers=rows,
        notes=(),
        kind="faithful" if compressed.faithful else "preview",
        input_shape=model.input_shape,
    )


def with_accuracy(report: Report, was: Accuracy | None, now: Accuracy) -> Report:
    """`report` with what is known of both accuracies."""
    before = None if report.original is None else replace(report.original, accuracy=was)
    return replace(report, original=before, compressed=replace(report.compressed, accuracy=now))


def with_latency(report: Report, found: latencies.Latencies) -> Report:
    """`report` with what was measured of both networks and of every layer."""
    before = None if report.original is None else replace(report.original, latency=found.dense)
    rows = tuple(
        replace(row, dense_latency=one.dense, latency=one.packed, latency_note=one.note)
        for row in report.layers
        for one in (found.by_layer[row.name],)
    )
    return replace(report, original=before, compressed=replace(report.compressed, latency=found.packed), layers=rows)


def original(compressed: CompressedModel) -> CompressedModel | None:
    """The uncompressed network that the figures are compared with; None for a file whose network is not in the zoo."""
    model = compressed.model
    if not compressed.from_file:
        judged = None if model.data is None else model.data.split("test").digest
        return _originals.get((model.digest, model.name, judged), lambda: compress(model, Recipe()))
    if model.name not in zoo.names():
        return None
    return _originals.get(model.name, lambda: compress(load(model.name), Recipe()))


def image_count(model: Model, images: int | None) -> int:
    """How many test images accuracy is counted on; 0 without data. DataError for none, or more than there are."""
    if model.data is None:
        if images is not None:
            raise DataError(f"{model.name} has no data set, so accuracy cannot be counted on {images} images.")
        return 0
    return len(_selection(model, images))


def accuracies(
    compressed: CompressedModel, images: int | None = None, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Accuracy | None, Accuracy, float]]:
    """Accuracy of the original and of `compressed` after every batch of test images, and the share run so far.

    Nothing is yielded for a model without data. While images are left, `low` and `high` bound the figure that all of
    them will give: the original's accuracy plus the mean difference so far, or the plain count where the original's
    answers are not all known yet. The last accuracy is the exact count, with the 95 % interval for unseen images.
    """
    count = image_count(compressed.model, images)
    if count == 0:
        return
    split = _selection(compressed.model, images)
    labels = split.labels
    inputs = torch.from_numpy(_inputs.get((split.digest,), lambda: split.inputs().numpy()))
    reference = original(compressed)
    known = None if reference is None else _known_answers(reference, len(_selection(compressed.model, None)))[:count]
    unchanged = reference is not None and not compressed.from_file and not compressed.recipe.steps
    module = None if unchanged else compressed.to_torch()
    uncompressed: torch.nn.Module | None = None
    found = np.full(count, -1, np.int64)
    for start in range(0, count, BATCH):
        if cancelled():
            raise Stopped
        batch = slice(start, min(start + BATCH, count))
        if known is not None and reference is not None and (known[batch] < 0).any():
            uncompressed = uncompressed or reference.to_torch()
            known[batch] = _batch(uncompressed, inputs[batch])
        found[batch] = known[batch] if module is None and known is not None else _batch(module, inputs[batch])
        yield (
            None if known is None else _counted(known, labels, "measured"),
            _estimate(found, known, labels, "measured" if unchanged else "simulated"),
            batch.stop / count,
        )


def _batch(module: torch.nn.Module | None, inputs: torch.Tensor) -> NDArray[np.int64]:
    assert module is not None
    return next(answers(module, inputs))


def _selection(model: Model, images: int | None) -> Split:
    assert model.data is not None
    test = model.data.split("test")
    return _chosen.get((test.digest, images), lambda: selection(test, images))


def _known_answers(reference: CompressedModel, images: int) -> NDArray[np.int64]:
    """The original's answers to all test images in class-balanced order, −1 where not computed yet; filled in place."""
    assert reference.model.data is not None
    key = (reference.model.digest, reference.model.data.split("test").digest)
    return _original_answers.get(key, lambda: np.full(images, -1, np.int64))


def _counted(found: NDArray[np.int64], labels: NDArray[np.int64], badge: Badge) -> Accuracy:
    """The plain count over the images that have an answer."""
    seen = found >= 0
    interval = binomial(int(np.count_nonzero(found[seen] == labels[seen])), int(np.count_nonzero(seen)))
    return Accuracy(interval.value, interval.low, interval.high, int(np.count_nonzero(seen)), badge, bool(seen.all()))


def _estimate(
    found: NDArray[np.int64], known: NDArray[np.int64] | None, labels: NDArray[np.int64], badge: Badge
) -> Accuracy:
    seen = int(np.count_nonzero(found >= 0))
    if seen == len(labels) or known is None or (known < 0).any():
        return _counted(found, labels, badge)
    right, was_right = found[:seen] == labels[:seen], known[:seen] == labels[:seen]
    interval = paired(
        original_hits=int(np.count_nonzero(known == labels)),
        images=len(labels),
        seen=seen,
        gained=int(np.count_nonzero(right & ~was_right)),
        lost=int(np.count_nonzero(was_right & ~right)),
    )
    return Accuracy(interval.value, interval.low, interval.high, seen, badge, False)


def _about_data(model: Model) -> dict[str, Any] | None:
    if model.data is None:
        return None
    test = model.data.split("test")
    return {
        "name": model.data.name,
        "title": model.data.title,
        "split": "test",
        "images": len(test),
        "digest": test.digest,
    }


def _figures(compressed: CompressedModel, device: Device) -> tuple[Figures, tuple[LayerRow, ...]]:
    counted, joules, size = operations.count(compressed), energy.model(compressed, device), compressed.size
    notes: dict[str, list[str]] = {}
    for note in compressed.notes:
        notes.setdefault(note.layer, []).append(note.text)
    rows = tuple(
        LayerRow(
            name=layer.name,
            kind=layer.kind,
            shape=layer.shape,
            weights=sum(part.values.size for part in form.parts),
            nonzeros=sum(part.nonzeros for part in form.parts),
            bits=max(part.bits for part in form.parts),
            rank=form.rank,
            break_even_rank=_break_even(compressed.model, layer, form),
            encoding=compressed.encodings[layer.name].name,
            bytes=size.by_layer[layer.name],
            macs=counted.by_layer[layer.name].macs,
            effective_macs=counted.by_layer[layer.name].effective_macs,
            energy=joules.by_layer[layer.name],
            note=" ".join(notes.get(layer.name, ())),
        )
        for layer, form in zip(compressed.model.layers, compressed.stored.values(), strict=True)
    )
    return (
        Figures(None, size, counted.macs, counted.effective_macs, counted.bit_operations, joules),
        rows,
    )


def _break_even(model: Model, layer: Layer, form: Form) -> int | None:
    """Largest rank at which two factors hold no more weights; of the channel form where the layer has none yet."""
    if form.break_even is not None:
        return int(form.break_even)
    if model.layout(layer).unfactorable:
        return None
    columns = layer.weight.size // layer.shape[0]
    return layer.weight.size // (layer.shape[0] + columns)
