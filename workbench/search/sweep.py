"""Sweeps: many recipes of one network, each really compressed and measured, as rows of a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.accuracy.examiner import Examiner, image_count
from workbench.accuracy.restart import BUDGET
from workbench.compression.compressed import compress
from workbench.data.split import SplitName
from workbench.engine.assessment import DEFAULT_DEVICE, costs, with_accuracy
from workbench.errors import Stopped, WorkbenchError
from workbench.method import AxisName, Method
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Case:
    """A recipe, and the choices that it came from (name -> number or word), which are columns of the table."""

    choices: Mapping[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Trial:
    """A case that was measured."""

    case: Case
    report: Report

    def to_row(self) -> dict[str, Any]:
        """Plain numbers and words: the choices, the accuracy with its interval, and every cost with its range."""
        now = self.report.compressed
        row: dict[str, Any] = {**self.case.choices, "digest": self.case.recipe.digest[:12]}
        if now.accuracy is not None and self.report.data is not None:
            row |= {
                "accuracy": now.accuracy.value,
                "accuracy_low": now.accuracy.low,
                "accuracy_high": now.accuracy.high,
            }
            row |= {"images": now.accuracy.images, "split": self.report.data["split"]}
        for name, figure in now.costs.items():
            row[name] = figure.value
            if figure.low is not None and figure.high is not None:
                row |= {f"{name}_low": figure.low, f"{name}_high": figure.high}
        return row | {"device": self.report.device, "kind": self.report.kind}


@dataclass(frozen=True)
class Sweep:
    """What a sweep has measured. complete: whether that is all that it was asked for, or it was interrupted."""

    trials: tuple[Trial, ...]
    complete: bool

    def to_frame(self) -> pandas.DataFrame:
        """One row a trial, see `Trial.to_row`; in SI units and shares of 1. Raises WorkbenchError without pandas."""
        try:
            import pandas
        except ImportError:
            raise WorkbenchError("A table of a sweep needs pandas: pip install pandas.") from None
        return pandas.DataFrame([trial.to_row() for trial in self.trials])


def grid(
    sparsity: Iterable[float] = (0.0,),
    bits: Iterable[int] = (32,),
    rank: Iterable[float] = (1.0,),
    methods: Mapping[AxisName, str | Method] | None = None,
) -> list[Case]:
    """Every combination of the three global sliders, see `Recipe.sliders`, the last one changing first."""
    return [
        Case(
            {"sparsity": zeros, "bits": width, "rank": share},
            Recipe.sliders(zeros, width, share, methods=methods),
        )
        for zeros, width, share in itertools.product(sparsity, bits, rank)
    ]


def sweep(
    model: Model,
    recipes: Iterable[Case] | Mapping[str, Recipe],
    device: str = DEFAULT_DEVICE,
    images: int | None = None,
    split: SplitName = "test",
    *,
    progress: Callable[[float], None] = lambda share: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Compress `model` by each recipe and measure what comes out, one after the other.

    recipes: the cases of a `grid`, or recipes by name. images: how many images of `split` accuracy is counted on, all
    by default. Whoever means to choose among the recipes asks for "validation"; nothing then looks at test images.
    progress: called with the share of the sweep that is done, 0..1.

    Where `cancelled` says so, and at an interrupt from the keyboard, it ends and keeps what was measured by then.
    Raises RecipeError, DeviceError, DataError.
    """
    cases = [Case({"recipe": name}, one) for name, one in recipes.items()] if isinstance(recipes, Mapping) else recipes
    cases = list(cases)
    found: list[Trial] = []
    try:
        for trial, share in trials(model, cases, device, images, split):
            if trial is not None:
                found.append(trial)
            progress(share)
            if cancelled():
                raise Stopped
    except (Stopped, KeyboardInterrupt):
        return Sweep(tuple(found), len(found) == len(cases))
    return Sweep(tuple(found), True)


def trials(
    model: Model,
    cases: Sequence[Case],
    device: str = DEFAULT_DEVICE,
    images: int | None = None,
    split: SplitName = "test",
    budget: int = BUDGET,
) -> Iterator[tuple[Trial | None, float]]:
    """A sweep in pieces: after every batch of images (None, share of the sweep done), and every trial once it is there.

    budget: bytes of activations to keep between two trials. Raises what `sweep` raises.
    """
    judged = model.judged_by(split)
    image_count(judged, images)
    for case in cases:
        case.recipe.check(model)
    examiner = Examiner(budget)
    for number, case in enumerate(cases):
        compressed = compress(judged, case.recipe, keep=False)
        report = costs(compressed, device)
        for standing in examiner.accuracies(compressed, images):
            if standing.share == 1.0:
                report = with_accuracy(report, standing)
            else:
                yield None, (number + standing.share) / len(cases)
        yield Trial(case, report), (number + 1) / len(cases)
