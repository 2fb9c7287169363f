"""Whether a network is as often right as it says: reliability of its confidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.accuracy.examiner import remembered_by, selected_images, task_of
from workbench.accuracy.restart import Evaluator
from workbench.cache import Cache
from workbench.errors import Stopped
from workbench.network.encoded import EncodedModel

BINS = 15
Shares = NDArray[np.float64]
_known: Cache[Shares] = Cache(ceiling=2**24)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Over `BINS` intervals of confidence, equally wide, each with its upper end: images, their mean confidence and the
    share of them answered rightly, [bins]; zeros where there are none."""

    images: NDArray[np.int64]
    confidence: Shares
    accuracy: Shares

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of accuracy from confidence, bins weighted by their images.

        C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3.
        """
        return float(self.images @ np.abs(self.accuracy - self.confidence)) / int(self.images.sum())


def reliability(confidence: Shares, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Of at least one answer: the confidence in it, 0..1, and whether it is right."""
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    images = np.bincount(place, minlength=bins)
    each = np.maximum(images, 1)
    sure, hits = (np.bincount(place, weights, bins) / each for weights in (confidence, right.astype(np.float64)))
    return Reliability(images, sure, hits)


def confidences(network: EncodedModel, cancelled: Callable[[], bool] = lambda: False) -> Shares:
    """[images], in the order in which they are run: how sure the network is of the class that it answers.

    Of a task whose truth is a label. Runs all test images at the first call for a network; one that was interrupted is
    gone on with. Raises ModelError, and Stopped where `cancelled` says so between two batches.
    """
    images = selected_images(network.model)
    owner = network if network.from_file else None
    found = _known.get(remembered_by(network), lambda: np.full(len(images), np.nan), owner)
    if np.isnan(found).any():
        _fill(found, network, cancelled)
    return found


def _fill(found: Shares, network: EncodedModel, cancelled: Callable[[], bool]) -> None:
    """With what is not known yet, in place; scores that are no numbers make nothing sure."""
    images, task = selected_images(network.model), task_of(network.model)
    evaluator = Evaluator(network.model, images.inputs, len(images), budget=0)
    evaluator.load(network.forms)
    for batch in range(-(-len(images) // evaluator.batch)):
        wanted = found[batch * evaluator.batch :][: evaluator.batch]
        if not np.isnan(wanted).any():
            continue
        if cancelled():
            raise Stopped
        sure = task.probabilities(evaluator.scores(batch))
        assert sure is not None  # of a label there is one
        wanted[:] = np.nan_to_num(sure.max(1))[: len(wanted)]
