"""The live engine: newest move wins, first accuracy before giving way, cancelling, errors, and assess's report."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.assessment import assess
from workbench.data.datasets import Dataset
from workbench.errors import DataError, DeviceError, RecipeError, WorkbenchError
from workbench.evaluate.accuracy import BATCH
from workbench.model import Model
from workbench.recipe import Recipe
from workbench.session import Session, Update

IMAGES = 2000


class Slow(nn.Module):
    """Waits in every batch of more than one image, so that moves can arrive while it is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            time.sleep(0.02)
        return self.fc(self.flatten(x))


def data(images: int = IMAGES) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset.from_arrays(
        "noise", test=(rng.normal(size=(images, 1, 4, 4)).astype(np.float32), rng.integers(0, 4, images))
    )


@pytest.fixture
def slow() -> Iterator[Session]:
    torch.manual_seed(0)
    session = Session(Model.from_module(Slow(), torch.zeros(1, 1, 4, 4), data(), "slow"))
    yield session
    session.close()


def test_ends_at_the_report_that_assess_gives() -> None:
    torch.manual_seed(1)
    model = Model.from_module(Slow(), torch.zeros(1, 1, 4, 4), data(600), "slow")
    recipe = Recipe.sliders(sparsity=0.5, bits=2)
    session = workbench.Session(model)
    session.recipe = recipe
    session.wait(30)
    assert session.report == assess(workbench.compress(model, recipe))
    assert session.report.compressed.accuracy.exact and session.report.compressed.accuracy.images == 600
    session.close()


def test_the_newest_move_wins_and_moves_in_between_are_never_begun(slow: Session) -> None:
    slow.wait(30)
    seen: list[Update] = []
    slow.observe(seen.append)
    for percent in range(1, 41):
        slow.recipe = Recipe.sliders(sparsity=percent / 100)
    newest = slow.update()
    slow.wait(30)
    assert slow.report is not None
    assert slow.report.recipe["digest"] == Recipe.sliders(sparsity=0.4).digest
    last = seen[-1]
    assert (last.move, last.newest, last.stage, last.progress) == (newest, True, "exact", 1.0)
    begun = {update.move for update in seen}
    assert len(begun) < 10
    moves = [update.move for update in seen]
    assert moves == sorted(moves)


def test_a_move_that_has_begun_sends_an_accuracy_before_it_gives_way(slow: Session) -> None:
    slow.wait(30)
    stages: dict[int, list[str]] = {}
    slow.observe(lambda update: stages.setdefault(update.move, []).append(update.stage))
    for percent in range(30):
        slow.recipe = Recipe.sliders(sparsity=percent / 30)
        time.sleep(0.012)
    slow.wait(30)
    assert len(stages) > 5
    for found in stages.values():
        assert found[0] == "costs"
        assert found[1] in ("accuracy", "exact")


def test_the_interval_narrows_and_progress_grows_until_exact(slow: Session) -> None:
    slow.wait(30)
    seen: list[Update] = []
    slow.observe(seen.append)
    slow.recipe = Recipe.sliders(bits=1)
    slow.wait(30)
    running = [update for update in seen if update.stage == "accuracy"]
    widths = [one.report.compressed.accuracy.high - one.report.compressed.accuracy.low for one in running]  # type: ignore[union-attr]
    assert [update.stage for update in seen] == ["costs", *["accuracy"] * (len(running)), "exact"]
    assert [update.progress for update in running] == pytest.approx(
        [k * BATCH / IMAGES for k in range(1, IMAGES // BATCH)]
    )
    assert widths[-1] < 0.7 * widths[0]


def test_cancel_keeps_what_is_known_and_the_session_goes_on(slow: Session) -> None:
    slow.wait(30)
    first = threading.Event()
    seen: list[Update] = []

    def observe(update: Update) -> None:
        seen.append(update)
        if update.stage == "accuracy":
            first.set()

    slow.observe(observe)
    slow.recipe = Recipe.sliders(bits=1)
    assert first.wait(30)
    slow.cancel()
    slow.wait(30)
    assert seen[-1].stage == "cancelled"
    assert slow.report is not None and slow.report.compressed.accuracy is not None
    assert 0 < slow.report.compressed.accuracy.images < IMAGES
    slow.recipe = Recipe.sliders(bits=2)
    slow.wait(30)
    assert seen[-1].stage == "exact"


def test_bad_moves_are_refused_at_once_and_change_nothing(slow: Session) -> None:
    slow.wait(30)
    report, recipe = slow.report, slow.recipe
    with pytest.raises(RecipeError, match="no layer 'fc9'"):
        slow.recipe = Recipe.sliders(overrides={"fc9": {"bits": 4}})
    with pytest.raises(DeviceError, match="no device 'toaster'"):
        slow.device = "toaster"
    assert slow.recipe == recipe
    assert slow.report is report
    with pytest.raises(DataError):
        Session(slow.model, images=IMAGES + 1)


def test_a_move_that_fails_says_so_and_the_session_goes_on() -> None:
    class Fragile(Slow):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.fc.weight.any():
                raise KeyError("boom")
            return super().forward(x)

    model = Model.from_module(Fragile(), torch.zeros(1, 1, 4, 4), data(300), "fragile")
    session = Session(model)
    seen: list[Update] = []
    session.observe(seen.append)
    session.recipe = Recipe.sliders(sparsity=1.0)
    with pytest.raises(WorkbenchError, match="fragile could not be run with this recipe"):
        session.wait(30)
    assert seen[-1].stage == "error" and "KeyError" in (seen[-1].error or "")
    session.recipe = Recipe.sliders(sparsity=0.5)
    session.wait(30)
    assert seen[-1].stage == "exact"
    session.close()


def test_a_failing_observer_does_not_stop_the_others(slow: Session) -> None:
    slow.wait(30)
    seen: list[Update] = []

    def broken(update: Update) -> None:
        raise RuntimeError("broken observer")

    slow.observe(broken)
    end = slow.observe(seen.append)
    slow.recipe = Recipe.sliders(bits=4)
    slow.wait(30)
    assert seen[-1].stage == "exact"
    end()
    count = len(seen)
    slow.recipe = Recipe.sliders(bits=5)
    slow.wait(30)
    assert len(seen) == count


def test_another_model_starts_from_the_empty_recipe(slow: Session) -> None:
    slow.recipe = Recipe.sliders(sparsity=0.5)
    torch.manual_seed(2)
    other = Model.from_module(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), torch.zeros(1, 1, 4, 4), data(), "other")
    slow.model = other
    slow.wait(30)
    assert slow.recipe == Recipe()
    assert slow.report is not None and slow.report.model == "other"


def test_the_same_weights_under_another_name_and_on_other_images_are_not_mixed_up() -> None:
    torch.manual_seed(4)
    module = Slow()
    one = Model.from_module(module, torch.zeros(1, 1, 4, 4), data(600), "one")
    rng = np.random.default_rng(9)
    images = rng.normal(size=(700, 1, 4, 4)).astype(np.float32)
    other_data = Dataset.from_arrays("other", test=(images, rng.integers(0, 4, 700)))
    other = Model.from_module(module, torch.zeros(1, 1, 4, 4), other_data, "a much longer name")
    recipe = Recipe.sliders(bits=2)
    for model, count in ((one, 600), (other, 700)):
        report = assess(workbench.compress(model, recipe))
        assert report.original is not None and report.original.accuracy is not None
        assert report.original.accuracy.images == count
        assert report.original.accuracy.value == assess(workbench.compress(model, Recipe())).compressed.accuracy.value  # type: ignore[union-attr]
        assert report.original.size == workbench.compress(model, Recipe()).size


def test_a_model_without_data_has_costs_and_no_accuracy() -> None:
    session = Session(Model.from_module(nn.Linear(8, 4), torch.zeros(1, 8)))
    session.recipe = Recipe.sliders(sparsity=0.5)
    session.wait(30)
    assert session.report is not None
    assert session.report.compressed.accuracy is None
    assert session.report.compressed.effective_macs == 16
    session.close()
