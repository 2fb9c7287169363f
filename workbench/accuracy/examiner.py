"""Accuracy, image after image: the answers of a compressed network beside those of the original."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import cast
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from workbench.accuracy.exits import Taken, mean_macs, untaken
from workbench.accuracy.intervals import (
    SIGNIFICANT,
    Interval,
    Z,
    binomial,
    discordant,
    mcnemar,
    mean,
    mean_difference,
    paired,
    paired_mean,
)
from workbench.accuracy.order import Selection, selection
from workbench.accuracy.reference import original
from workbench.accuracy.restart import BUDGET, Evaluator
from workbench.cache import Cache
from workbench.errors import DataError, Stopped
from workbench.network.encoded import EncodedModel
from workbench.network.model import Model
from workbench.report.figures import Accuracy, Badge, Figure, Metric, Paired
from workbench.tasks import TASKS, Answers, Task, Truth

CATALOGUE = ("ME-01",)

_Identity = tuple[Hashable, ...]
_LEAST = 100  # images between two looks: fewer say little
_chosen: Cache[Selection] = Cache(ceiling=2**26)
_given: Cache[Answers] = Cache(ceiling=2**24)
_taken: Cache[Taken] = Cache(ceiling=2**24)


class Standing:
    """What is known after the images run so far. Worked out when it is asked for: most batches go by unseen.

    share: of the images that were asked for, 0..1. work, before: mean MACs of the compressed network and of the
    original, None without side exits.
    """

    def __init__(
        self,
        task: type[Task],
        found: Answers,
        known: Answers | None,
        judged: Selection,
        badge: Badge,
        done: int,
        work: Figure | None = None,
        before: Figure | None = None,
    ) -> None:
        self.work, self.before = work, before
        self.share = done / len(judged)
        self._task, self._found, self._known, self._judged, self._badge = task, found[:done], known, judged, badge

    @property
    def answers(self) -> Answers:
        """Of the compressed network to the images run so far, the first ones of `judged`."""
        return self._found

    @property
    def original_answers(self) -> Answers | None:
        """Of the original to all images, some of them still missing; None where there is no original."""
        return self._known

    @property
    def judged(self) -> Selection:
        """The images that were asked for, in the order in which they are run."""
        return self._judged

    @property
    def original(self) -> Accuracy | None:
        """The plain count over the images that the original has answered; None where there is no original."""
        if self._known is None:
            return None
        seen = ~self._task.missing(self._known)
        known, truth = self._known[seen], self._judged.truth[seen]
        images = int(np.count_nonzero(seen))
        return self._counted(known, truth, images, "measured", images == len(seen))

    @property
    def compressed(self) -> Accuracy:
        """While images are left, `low` and `high` bound the figure that all of them will give.

        That is the original's accuracy plus the mean difference so far, or the plain count where the original's answers
        are not all known yet. In the end it is the exact count, with the 95 % interval for unseen images.
        """
        found, known, truth = self._found, self._known, self._judged.truth
        seen = len(found)
        unknown = known is None or bool(self._task.missing(known).any())
        if seen == len(truth) or known is None or unknown:
            exact = seen == len(truth)
            counted = self._counted(found, truth[:seen], seen, self._badge, exact)
            paired = None if unknown or not exact or self._badge == "measured" else self._against(found, known)
            return replace(counted, paired=paired, guessing=self._guessing)
        interval = self._paired_shares(found, known) if self._task.shares else self._paired_scores(found, known)
        return self._accuracy(
            interval, seen, self._badge, False,
            lambda: paired_mean(
                self._task.grades(known, truth), self._task.grades(found, truth[:seen]), *self._graded_range
            ),
        )  # fmt: skip

    def _counted(self, answers: Answers, truth: Truth, images: int, badge: Badge, exact: bool) -> Accuracy:
        """Of so many answers, without regard to what others there are."""
        if self._task.shares:
            interval = binomial(int(np.count_nonzero(self._task.right(answers, truth))), images)
        else:
            interval = mean(self._scores(answers, truth), -math.inf, 1.0)
        return self._accuracy(
            interval, images, badge, exact, lambda: mean(self._task.grades(answers, truth), *self._graded_range)
        )

    def _paired_shares(self, found: Answers, known: Answers) -> Interval:
        labels, truth, seen = self._judged.labels, self._judged.truth, len(found)
        before = self._task.right(known, truth)
        change = self._task.right(found, truth[:seen]).astype(np.int8) - before[:seen]
        classes = [labels[:seen], labels[:seen][change > 0], labels[:seen][change < 0]]
        counts = [np.bincount(chosen, minlength=int(labels.max()) + 1) for chosen in classes]
        return paired(int(np.count_nonzero(before)), len(labels), *counts)

    def _paired_scores(self, found: Answers, known: Answers) -> Interval:
        truth = self._judged.truth
        return paired_mean(self._scores(known, truth), self._scores(found, truth[: len(found)]), -math.inf, 1.0)

    def _against(self, found: Answers, known: Answers | None) -> Paired | None:
        """Both networks' answers to all images."""
        truth = self._judged.truth
        if known is None:
            return None
        if not self._task.shares:
            change = mean_difference(self._scores(known, truth), self._scores(found, truth))
            if not math.isfinite(change.high):
                return None
            deviation = (change.high - change.value) / Z
            p = math.erfc(abs(change.value) / deviation / math.sqrt(2)) if deviation else float(change.value == 0)
            return Paired(None, None, p, p < SIGNIFICANT)
        before, after = self._task.right(known, truth), self._task.right(found, truth)
        gained, lost = discordant(before, after)
        p = mcnemar(gained, lost)
        return Paired(gained, lost, p, p < SIGNIFICANT)

    @property
    def _guessing(self) -> float | None:
        if not self._task.labelled:
            return None
        return float(np.bincount(self._judged.labels).max() / len(self._judged))

    def _scores(self, answers: Answers, truth: Truth) -> NDArray[np.float64]:
        return self._task.scores(answers, truth, self._judged.split.truth)

    @property
    def _graded_range(self) -> tuple[float, float]:
        """What a grade lies within."""
        return 0.0, 1.0 if self._task.graded_unit == "share" else math.inf

    def _accuracy(
        self, interval: Interval, images: int, badge: Badge, exact: bool, graded: Callable[[], Interval]
    ) -> Accuracy:
        """graded: interval of the mean grade, asked for where the task has one."""
        beside: tuple[Figure, ...] = ()
        if self._task.graded:
            found, unit = graded(), self._task.graded_unit
            name = self._task.graded.lower().replace(" ", "_")
            metric = Metric(name, self._task.graded, unit, less_is_better=unit != "share")
            low, high = found.ends
            beside = (Figure(metric, found.value, badge, low, high),)
        low, high = interval.ends
        return Accuracy(
            interval.value, low, high, images, badge, exact,
            title=self._task.score, share=self._task.shares, beside=beside,
        )  # fmt: skip


class Examiner:
    """Runs test images and remembers what the next run needs: activations, and answers that were given already.

    Answers are remembered for the whole process, by model, recipe and data, so a recipe that comes back goes on where
    it was left. Not for several threads at once.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        """budget: bytes of activations to keep between two runs."""
        self.budget = budget
        self._evaluator: Evaluator | None = None
        self._of: _Identity | None = None

    def accuracies(
        self, compressed: EncodedModel, images: int | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[Standing]:
        """What is known of the accuracy of the original and of `compressed` after every hundred test images or more.

        Nothing is yielded for a model without data; else the last one is exact. Raises Stopped where `cancelled` says
        so between two batches.
        """
        count = image_count(compressed.model, images)
        if count == 0:
            return
        judged, task = selected_images(compressed.model, images), task_of(compressed.model)
        reference = original(compressed)
        known = None if reference is None else answers_so_far(reference)[:count]
        unchanged = reference is not None and not compressed.from_file and not compressed.recipe.steps
        found = known if unchanged and known is not None else answers_so_far(compressed)[:count]
        taken = _taken_so_far(compressed)
        if taken is not None:  # remembered apart from the answers, and so forgotten apart
            found[taken[:count] < 0] = task.unanswered(judged.truth[:1])[0]
        went = None if reference is None else _taken_so_far(reference)
        uncompressed: Evaluator | None = None
        done = told = _answered(task, found, known)
        while True:
            if done and (done == told or done >= min(told + _LEAST, count)):
                told = done
                badge: Badge = "measured" if unchanged else "simulated"
                yield Standing(
                    task,
                    found,
                    known,
                    judged,
                    badge,
                    done,
                    work=None if taken is None else mean_macs(compressed, taken[:done], badge),
                    before=None if went is None else mean_macs(cast(EncodedModel, reference), went, "measured"),
                )
                if done == count:
                    return
            if cancelled():
                raise Stopped
            if known is not None and reference is not None and task.missing(known[done : done + 1])[0]:
                if uncompressed is None:
                    uncompressed = _evaluator(reference.model, budget=0)
                    uncompressed.load(reference.forms)
                _answer(known, went, uncompressed, done)
            if task.missing(found[done : done + 1])[0]:
                evaluator = self._evaluator_of(compressed.model)
                evaluator.load(compressed.forms)
                _answer(found, taken, evaluator, done)
            done = _answered(task, found, known)

    @property
    def nbytes(self) -> int:
        """Bytes of activations that are kept now."""
        return 0 if self._evaluator is None else self._evaluator.nbytes

    def _evaluator_of(self, model: Model) -> Evaluator:
        of = _identity(model)
        if self._evaluator is None or self._of != of:
            self._evaluator, self._of = _evaluator(model, self.budget), of
        return self._evaluator


def _evaluator(model: Model, budget: int) -> Evaluator:
    images = selected_images(model)
    return Evaluator(model, images.inputs, len(images), budget)


def _answer(answers: Answers, taken: Taken | None, evaluator: Evaluator, image: int) -> None:
    """Fill in the answers of the batch that holds `image`, as far as they are wanted, and the exits they came from."""
    number = image // evaluator.batch
    wanted = answers[number * evaluator.batch :][: evaluator.batch]
    wanted[:] = evaluator.answers(number)[: len(wanted)]
    if taken is not None and evaluator.taken is not None:
        taken[number * evaluator.batch :][: len(wanted)] = evaluator.taken[: len(wanted)]


def image_count(model: Model, images: int | None) -> int:
    """How many test images accuracy is counted on; 0 without data. DataError for none, or more than there are."""
    if model.data is None:
        if images is not None:
            raise DataError(f"{model.name} has no data set, so accuracy cannot be counted on {images} images.")
        return 0
    return len(selected_images(model, images))


def task_of(model: Model) -> type[Task]:
    """What the model's images ask."""
    assert model.data is not None
    return TASKS[model.data.task]


def selected_images(model: Model, images: int | None = None) -> Selection:
    """The first `images` of the test images in class-balanced order. Raises DataError for more than there are."""
    assert model.data is not None
    test = model.data.split("test")
    return _chosen.get((test.digest, images), lambda: selection(test, images))


def answers_so_far(compressed: EncodedModel) -> Answers:
    """Answers to all test images in class-balanced order, those not given yet missing; filled in place."""
    truth, task = selected_images(compressed.model).truth, task_of(compressed.model)
    if compressed.from_file:
        return task.unanswered(truth)
    return _given.get(remembered_by(compressed), lambda: task.unanswered(truth))


def _taken_so_far(compressed: EncodedModel) -> Taken | None:
    """As the answers, the exits that they came from; None of a network without side exits."""
    if not compressed.model.thresholds:
        return None
    images = len(selected_images(compressed.model))
    if compressed.from_file:
        return untaken(images)
    return _taken.get(remembered_by(compressed), lambda: untaken(images))


def remembered_by(compressed: EncodedModel) -> Hashable:
    """What answers are remembered under: network, images and recipe. Of one read from a file it does not tell all."""
    return *_identity(compressed.original), compressed.recipe.digest, compressed.trained_from


def _identity(model: Model) -> _Identity:
    """What the answers depend on beside the recipe; a user's own module may do what no digest tells."""
    assert model.data is not None
    return model.digest if model.architecture else ref(model), model.data.split("test").digest, model.data.task


def _answered(task: type[Task], found: Answers, known: Answers | None) -> int:
    """How many of the first images both networks have answered."""
    missing = task.missing(found) if known is None else task.missing(found) | task.missing(known)
    return int(missing.argmax()) if missing.any() else len(found)
