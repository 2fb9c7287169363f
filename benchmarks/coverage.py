"""Whether the interval that stands on the page while images are run holds what it promises.

Random recipes on the small networks: after 500 images, does the 95 % interval hold the accuracy on all test images, and
how wide is it beside the interval of counting hits on the same images? Each recipe is given a class-balanced order of
its own: in one order for all, the same 500 images would judge every recipe, and their luck would be all there is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.accuracy.examiner import Examiner, Standing, answers_so_far, selected_images, task_of
from workbench.accuracy.intervals import Interval, binomial
from workbench.accuracy.order import Selection, class_balanced_order
from workbench.compression.compressed import CompressedModel, compress
from workbench.network.model import load
from workbench.recipe import Recipe

MODELS = ("lenet-300-100/mnist", "lenet-5/mnist", "lenet-300-100/fashion-mnist", "lenet-5/fashion-mnist")
RECIPES = 500
IMAGES = 500


@dataclass(frozen=True)
class Trial:
    """One recipe: both intervals after the first images, and the accuracy on all of them."""

    model: str
    recipe: Recipe
    paired: Interval
    counted: Interval
    final: float


def coverage(
    recipes: int = RECIPES,
    images: int = IMAGES,
    models: tuple[str, ...] = MODELS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Trial]:
    """Random recipes, the networks in turn."""
    random, examiner = np.random.default_rng(seed), Examiner(budget=0)
    networks = [load(name) for name in models]
    drawn = [draw(random) for _ in range(recipes)]
    found = []
    for number, network in enumerate(networks):
        _finish(examiner, compress(network, Recipe()))  # the original's answers come first
        for recipe in drawn[number :: len(networks)]:
            found.append(_trial(examiner, compress(network, recipe), images, random))
            progress(len(found) / recipes)
    return found


def draw(random: np.random.Generator) -> Recipe:
    """Each slider off one time in three, else anywhere in its range."""
    on = random.random(3) < 2 / 3
    return Recipe.sliders(
        sparsity=round(float(random.uniform(0.3, 0.97)), 2) if on[0] else 0.0,
        bits=int(random.integers(1, 9)) if on[1] else 32,
        rank=round(float(random.uniform(0.05, 1)), 2) if on[2] else 1.0,
    )


def summary(trials: list[Trial]) -> dict[str, Any]:
    """Shares covered and median widths, of both intervals."""
    return {
        "recipes": len(trials),
        "covered": statistics.fmean(one.paired.low <= one.final <= one.paired.high for one in trials),
        "covered_by_counting": statistics.fmean(one.counted.low <= one.final <= one.counted.high for one in trials),
        "width": statistics.median(one.paired.high - one.paired.low for one in trials),
        "width_of_counting": statistics.median(one.counted.high - one.counted.low for one in trials),
        "width_ratio": statistics.median(
            (one.paired.high - one.paired.low) / (one.counted.high - one.counted.low) for one in trials
        ),
    }


def _trial(examiner: Examiner, compressed: CompressedModel, images: int, random: np.random.Generator) -> Trial:
    """The product's own figure after the first images of an order drawn for this recipe."""
    final = _finish(examiner, compressed)
    judged, task = selected_images(compressed.model), task_of(compressed.model)
    labels = judged.labels
    mixed = random.permutation(len(labels))
    order = mixed[class_balanced_order(labels[mixed])]
    found, known = answers_so_far(compressed)[order], answers_so_far(compress(compressed.model, Recipe()))[order]
    shuffled = Selection(judged.split, judged.order[order], labels[order], judged.truth[order])
    early = Standing(task, found, known, shuffled, "simulated", images).compressed
    assert early.low is not None and early.high is not None  # as of every share
    hits = int(np.count_nonzero(task.right(found[:images], shuffled.truth[:images])))
    paired = Interval(early.low, early.value, early.high)
    return Trial(compressed.model.name, compressed.recipe, paired, _counted(hits, images, len(labels)), final)


def _finish(examiner: Examiner, compressed: CompressedModel) -> float:
    """Accuracy on all test images."""
    *_, last = examiner.accuracies(compressed)
    return last.compressed.value


def _counted(hits: int, images: int, of: int) -> Interval:
    """Wilson's interval, narrowed as the paired one is: the images that were seen are known."""
    interval, scale = binomial(hits, images), math.sqrt(1 - images / of)
    low, high = (interval.value + (edge - interval.value) * scale for edge in (interval.low, interval.high))
    return Interval(low, interval.value, high)
