"""The live engine: newest move wins, first accuracy before giving way, cancelling, errors, and assess's report."""

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from workbench.accuracy.network import BATCH
from workbench.accuracy.restart import Evaluator
from workbench.compression.compressed import CompressedModel, compress
from workbench.data.datasets import Dataset
from workbench.engine import preparing
from workbench.engine.assessment import assess
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import DataError, DeviceError, RecipeError, WorkbenchError
from workbench.methods.factorize import cp
from workbench.methods.factorize.svd import SVD
from workbench.methods.quantize.activations import Activations
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.report.report import Report

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


def test_news_of_a_training_never_bring_an_older_report_back(slow: Session) -> None:
    slow.wait(60)
    older = slow.report
    slow.recipe = Recipe.sliders(bits=4)
    slow.wait(60)
    slow._bulletin.send(
        slow._bulletin.newest, "training", older, 0.5
    )  # read on the thread of the job before the move ended
    assert slow.report is not None and slow.report.recipe["digest"] == slow.recipe.digest


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
    shares = [update.progress for update in running]
    assert shares[0] == BATCH / IMAGES and len(shares) >= 3
    assert shares == sorted(set(shares)) and shares[-1] < 1
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


def test_latency_is_measured_when_asked_after_the_accuracy_and_belongs_to_one_recipe(slow: Session) -> None:
    seen: list[Update] = []
    slow.observe(seen.append)
    slow.recipe = Recipe.sliders(bits=4)
    move = slow.measure_latency()
    slow.wait(60)
    ours = [update for update in seen if update.move == move]
    stages = [update.stage for update in ours]
    first = stages.index("latency")
    assert "accuracy" not in stages[first:] and stages[first - 1] == stages[-1] == "exact"
    assert set(stages[first:-1]) == {"latency"}
    shares = [update.progress for update in ours[first:-1]]
    assert shares == sorted(shares) and shares[-1] == 1.0
    before, after = ours[first - 1].report, ours[-1].report
    assert before is not None and before.compressed.latency is None
    assert after is not None and after.compressed.latency is not None and after is slow.report
    assert after.original is not None and after.original.latency is not None
    assert after.layers[0].latency is not None
    assert after.compressed.accuracy == before.compressed.accuracy
    slow.recipe = Recipe.sliders(bits=5)
    slow.wait(30)
    assert slow.report is not None and slow.report.compressed.latency is None


def test_a_newer_move_or_a_cancel_ends_the_measurement_of_latency(slow: Session) -> None:
    slow.wait(30)
    seen: list[Update] = []
    begun = threading.Event()

    def observe(update: Update) -> None:
        seen.append(update)
        if update.stage == "latency":
            begun.set()

    def block(module: nn.Module, inputs: object) -> None:
        begun.wait(30)
        time.sleep(0.3)  # as a compiler would

    slow.observe(observe)
    slow.model.module.register_forward_pre_hook(block)
    slow.measure_latency()
    assert begun.wait(30)
    slow.cancel()
    slow.wait(30)
    assert seen[-1].stage == "exact"
    assert seen[-1].report is not None and seen[-1].report.compressed.latency is None
    begun.clear()
    slow.measure_latency()
    assert begun.wait(30)
    slow.recipe = Recipe.sliders(sparsity=0.5)
    slow.wait(60)
    assert (seen[-1].stage, seen[-1].move) == ("exact", 1)
    assert all(update.report is None or update.report.compressed.latency is None for update in seen)


def test_latency_of_a_network_that_cannot_run_packed_is_a_sentence_and_keeps_the_report() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x) if self.fc.__class__ is nn.Linear else self.fc(x.double())

    session = Session(Model.from_module(Mixed(), torch.zeros(1, 8), name="mixed"))
    session.recipe = Recipe.sliders(bits=4)
    session.wait(30)
    report = session.report
    seen: list[Update] = []
    session.observe(seen.append)
    session.measure_latency()
    session.wait(60)
    assert "Latency of mixed could not be measured" in (seen[-1].error or "")
    assert (seen[-1].stage, seen[-1].report) == ("exact", report)
    session.close()


def test_the_latency_of_a_move_that_failed_is_asked_for_in_vain_and_the_session_goes_on() -> None:
    """Its model has no images, so that there is no compressed network at all."""
    recipe = Recipe((Step(Activations(ends="included")),))
    session = Session(Model.from_module(nn.Linear(8, 4), torch.zeros(1, 8), name="blind"), recipe=recipe)
    session.measure_latency()
    with pytest.raises(WorkbenchError, match="blind has no data set"):
        session.wait(30)
    session.recipe = Recipe.sliders(bits=4)
    session.wait(30)
    assert session.report is not None
    session.close()


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
    with pytest.raises(WorkbenchError, match="The network cannot run on images of shape"):
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


def _answered(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every batch that the session's networks are given from now on."""
    batches: list[int] = []
    original = Evaluator.answers
    monkeypatch.setattr(Evaluator, "answers", lambda self, batch: batches.append(batch) or original(self, batch))
    return batches


def _quiet(batches: list[int], seconds: float = 0.6, at_most: float = 60.0) -> None:
    """Until no batch has been run for a while."""
    end = time.monotonic() + at_most
    seen = -1
    while seen != len(batches) and time.monotonic() < end:
        seen = len(batches)
        time.sleep(seconds)


def test_a_position_that_comes_back_is_not_run_again(slow: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Recipe.sliders(bits=2, sparsity=0.31), Recipe()
    reports = []
    for recipe in (first, second):
        slow.recipe = recipe
        slow.wait(30)
        reports.append(slow.report)
    batches = _answered(slow, monkeypatch)
    slow.recipe = first
    slow.wait(30)
    assert slow.report == reports[0]
    assert batches == []


def test_the_positions_beside_are_prepared_while_the_user_looks(slow: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.recipe = Recipe.sliders(sparsity=0.4, bits=3)
    slow.wait(30)
    batches = _answered(slow, monkeypatch)
    slow.recipe = Recipe.sliders(sparsity=0.41, bits=3)
    slow.wait(30)
    assert len(batches) == math.ceil(IMAGES / BATCH)
    _quiet(batches)
    assert len(batches) == 4 * math.ceil(IMAGES / BATCH)  # it and two positions on either side, one of which was known
    batches.clear()
    slow.recipe = Recipe.sliders(sparsity=0.42, bits=3)
    slow.wait(30)
    assert batches == []
    assert slow.report == assess(workbench.compress(slow.model, slow.recipe))


def test_preparing_gives_way_to_a_move(slow: Session) -> None:
    slow.recipe = Recipe.sliders(sparsity=0.5, bits=2)
    slow.wait(30)
    slow.recipe = Recipe.sliders(sparsity=0.51, bits=2)
    slow.wait(30)
    time.sleep(0.3)  # it has begun to prepare
    seen: list[Update] = []
    slow.observe(seen.append)
    start = time.monotonic()
    slow.recipe = Recipe.sliders(bits=7)
    while not seen and time.monotonic() < start + 30:
        time.sleep(0.001)
    assert seen[0].stage == "costs" and seen[0].newest
    slow.wait(30)
    assert seen[-1].stage == "exact"


def test_a_position_that_was_being_prepared_is_taken_up_again(slow: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.recipe = Recipe.sliders(sparsity=0.4, bits=3)
    slow.wait(30)
    begun: list[Recipe] = []
    events: list[str] = []
    done = threading.Event()

    def told(model: Model, recipe: Recipe, *, cancelled: Callable[[], bool]) -> CompressedModel:
        begun.append(recipe)
        if len(begun) == 1:
            foreseen = [Recipe.sliders(bits=7)]
            slow.foresee(slow.model, slow.device, foreseen, lambda recipe, report: events.append("foreseen"))
        found = compress(model, recipe, cancelled=cancelled)
        events.append(recipe.digest)
        if len(begun) == 5:
            done.set()
        return found

    monkeypatch.setattr(preparing, "compress", told)
    slow.recipe = Recipe.sliders(sparsity=0.41, bits=3)
    assert done.wait(30)
    expected = [Recipe.sliders(sparsity=share, bits=3) for share in (0.42, 0.42, 0.43, 0.4, 0.39)]
    assert begun == expected
    assert events == ["foreseen", *(recipe.digest for recipe in expected[1:])]


def _foreseen(session: Session, recipes: list[Recipe]) -> dict[str, Report]:
    """The costs of `recipes` as the session finds them while nothing else is to be done."""
    found: dict[str, Report] = {}
    done = threading.Event()

    def all_of_them() -> Iterator[Recipe]:
        yield from recipes
        done.set()

    session.foresee(
        session.model, session.device, all_of_them(), lambda recipe, one: found.update({recipe.digest: one})
    )
    assert done.wait(30)
    return found


def test_what_is_foreseen_is_what_a_move_there_sends_first(slow: Session) -> None:
    rng = np.random.default_rng(3)
    recipes = [
        Recipe.sliders(sparsity=round(float(rng.random()), 2), bits=int(rng.integers(1, 9)), rank=0.5) for _ in range(8)
    ]
    found = _foreseen(slow, recipes)
    assert list(found) == list(dict.fromkeys(one.digest for one in recipes))
    slow.wait(30)  # the first move may have been counting all the while
    seen: list[Update] = []
    slow.observe(seen.append)
    for recipe in recipes:
        seen.clear()
        slow.recipe = recipe
        slow.wait(30)
        assert seen[0].stage == "costs"
        assert seen[0].report == found[recipe.digest]


def test_a_recipe_that_cannot_be_applied_is_passed_over(slow: Session) -> None:
    wrong = Recipe.sliders(overrides={"fc9": {"bits": 4}})
    assert list(_foreseen(slow, [wrong, Recipe.sliders(bits=4)])) == [Recipe.sliders(bits=4).digest]


def test_a_move_comes_between_two_recipes_that_are_foreseen_and_none_is_lost(slow: Session) -> None:
    slow.wait(30)
    events: list[str] = []
    slow.observe(lambda update: events.append(update.stage))
    recipes = [Recipe.sliders(bits=bits) for bits in (4, 3, 2)]
    done = threading.Event()

    def found(recipe: Recipe, report: Report) -> None:
        events.append(recipe.digest)
        if recipe == recipes[0]:
            slow.recipe = Recipe.sliders(sparsity=0.5)
        if recipe == recipes[-1]:
            done.set()

    slow.foresee(slow.model, slow.device, recipes, found)
    assert done.wait(30)
    slow.wait(30)
    assert events[:2] == [recipes[0].digest, "costs"]
    assert [one for one in events if one in {recipe.digest for recipe in recipes}] == [one.digest for one in recipes]
    # counting goes on beside it, and ends where it always does
    assert events[-1] == "exact" and events.index(recipes[-1].digest) < events.index("exact")
    assert slow.report == assess(workbench.compress(slow.model, slow.recipe))


def test_another_call_ends_what_was_being_foreseen(slow: Session) -> None:
    slow.wait(30)
    begun, done = threading.Event(), threading.Event()
    old: list[str] = []

    def endless() -> Iterator[Recipe]:
        while True:
            yield Recipe.sliders(bits=4)

    def found(recipe: Recipe, report: Report) -> None:
        old.append(recipe.digest)
        begun.set()

    slow.foresee(slow.model, slow.device, endless(), found)
    assert begun.wait(30)
    slow.foresee(slow.model, slow.device, [Recipe.sliders(bits=3)], lambda recipe, report: done.set())
    assert done.wait(30)
    count = len(old)
    slow.recipe = Recipe.sliders(bits=5)
    slow.wait(30)
    assert len(old) == count


def test_activations_are_kept_within_the_memory_that_was_given() -> None:
    model = workbench.load("lenet-5/mnist")
    for width, budget in ((6, 0), (7, 3_000_000)):
        session = Session(model, images=2000, activations=budget)
        for bits in (5, 4, 3):
            session.recipe = Recipe.sliders(bits=width, overrides={"fc1": {"bits": bits}})
            session.wait(60)
        assert session._examiner.nbytes <= budget
        assert (session._examiner.nbytes > 2_000_000) == (budget > 0)
        session.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux")
def test_what_runs_images_gives_way_to_the_page(slow: Session) -> None:
    slow.wait(30)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert before == os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, slow._worker.native_id or 0) == min(before + 10, 19)


def test_a_step_that_takes_long_gives_way_to_a_newer_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SVD of a large network is cut short between two layers; the newest move is answered, the other never is."""
    layers = []

    def slow(self, form, decision):  # type: ignore[no-untyped-def]
        layers.append(form.shape)
        time.sleep(0.4)
        return form.with_values([form.compose() / 2])

    monkeypatch.setattr(SVD, "compress", slow)
    model = workbench.load("resnet-8/fashion-mnist")
    session, seen = Session(model, images=100), []
    session.wait(120)
    session.observe(lambda update: seen.append((update.move, update.stage)))
    old = session.update(recipe=workbench.Recipe.sliders(rank=0.5))
    time.sleep(0.3)
    new = session.update(recipe=workbench.Recipe.sliders(sparsity=0.5))
    session.wait(120)
    session.close()
    assert 1 <= len(layers) < len(model.layers) - 1
    assert (new, "exact") in seen
    assert all(move != old for move, _ in seen)


def test_a_move_does_not_wait_for_the_end_of_one_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """CP of LeNet-5's largest convolution solves 240 least squares; a move that comes with the third ends them."""
    monkeypatch.setattr("workbench.engine.answering._PATIENCE", 0.0)
    model = workbench.load("lenet-5/mnist")
    session = Session(model, images=100)
    session.wait(120)
    solved: list[int] = []
    product = cp._khatri_rao

    def counted(sides: list[cp.Matrix]) -> cp.Matrix:
        solved.append(sides[0].shape[1])
        if len(solved) == 3:
            session.recipe = Recipe.sliders(sparsity=0.5)
        return product(sides)

    monkeypatch.setattr(cp, "_khatri_rao", counted)
    seen: list[tuple[int, str]] = []
    session.observe(lambda update: seen.append((update.move, update.stage)))
    old = session.update(recipe=Recipe((Step(cp.CP(rank=0.5), ("conv2",)),)))
    while session.recipe != Recipe.sliders(sparsity=0.5):
        time.sleep(0.01)
    session.wait(120)
    session.close()
    assert len(solved) == 3
    assert seen[0] == (old + 1, "costs") and seen[-1] == (old + 1, "exact")


def test_a_blank_network_follows_its_sliders_and_says_why_it_has_no_latency():
    session = Session(workbench.load("mobilenet"))
    session.wait(60)
    before = session.report.compressed
    session.recipe = Recipe.sliders(sparsity=0.5, bits=4)
    session.wait(60)
    assert session.report.compressed.accuracy is None
    assert session.report.compressed.size.value < 0.3 * before.size.value
    heard = []
    session.observe(heard.append)
    session.measure_latency()
    session.wait(60)
    assert "weights of this network are not known" in heard[-1].error
    session.close()
