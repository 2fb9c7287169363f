"""The loop of pruning: its turns replayed by hand, where it ends, and that each turn is a result of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workbench.calibration.evidence import Calibration
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.listener import Training
from workbench.engine.training import expected_seconds, train
from workbench.method import Progress
from workbench.methods._retrained import retrained
from workbench.methods.prune.loop import BOXES, Loop
from workbench.methods.prune.retrained_taylor import RetrainedTaylor
from workbench.methods.prune.taylor_filter import TaylorFilter
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.course import TrainingCourse


def clouds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around three centres, and around which."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return (np.eye(3, 6)[labels] * 2 + random.normal(0, 0.6, (count, 6))).astype(np.float32), labels


@pytest.fixture(scope="module")
def model() -> Model:
    splits = {"train": clouds(300, 0), "validation": clouds(150, 1), "test": clouds(150, 2)}
    data = Dataset.from_arrays("clouds", **splits, calibration=clouds(90, 3))
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    plain = Model.from_module(module.eval(), torch.zeros(1, 6), data)
    state, course = State.of(plain), TrainingCourse(data, lambda progress: None)
    trained = state.module()
    course.fit(trained, epochs=10, learning_rate=0.01, seed=0)
    return Model.from_module(trained, torch.zeros(1, 6), data)


def weights(state: State) -> list[np.ndarray]:
    return [form.compose() for form in state.forms.values()] + list(state.model.rest.values())


def course(model: Model, tell=lambda progress: None) -> TrainingCourse:
    return TrainingCourse(model.data, tell, evidence=lambda state: Calibration(state, str(hash(str(weights(state))))))


def test_a_replay_of_the_four_calls_gives_the_same_networks_bit_for_bit(model):
    """Rank, remove, fine-tune, decide, written out; and the course hears of each box in its turn."""
    method = Loop(turns=3, share=0.2, budget=100.0)
    told: list[Progress] = []
    given = list(method.train(State.of(model), ("0", "2"), course(model, told.append)))
    boxes = [one.box for one in told]
    assert [box for box, former in zip(boxes, ["", *boxes], strict=False) if box != former] == list(BOXES) * 3
    replayed, by_hand = State.of(model), course(model)
    for turn, found in enumerate(given[1:], 1):
        cut = TaylorFilter(share=min(0.2 * turn, 1.0))
        decisions = cut.settle(replayed.forms, by_hand.evidence(replayed))
        forms = {name: cut.compress(form, decisions[name]) for name, form in replayed.forms.items()}
        replayed = replayed.with_forms(forms).with_rest(cut.beside(replayed.model.rest, decisions))
        replayed = retrained(replayed, by_hand, turn, 3, epochs=1, seed=0)
        assert all(np.array_equal(*pair) for pair in zip(weights(found), weights(replayed), strict=True))
        assert (~found.forms["0"].parts[0].alive[0]).sum() == round(0.2 * turn * 20)


def test_it_ends_with_the_first_breach_and_gives_back_the_network_before_that_cut(model):
    """A budget between the losses of two turns, as the free run has measured them."""
    judge, free = course(model), Loop(turns=4, share=0.24, budget=100.0)
    given = list(free.train(State.of(model), ("0", "2"), course(model)))
    scores = [judge.score(state) for state in given]
    lost = [scores[0] - score for score in scores]
    breach = next(turn for turn, loss in enumerate(lost) if turn and loss == max(lost))
    assert lost[breach] > max(lost[:breach])
    budget = 100 * (lost[breach] + max(lost[:breach])) / 2
    kept = list(replace(free, budget=max(budget, 0.0)).train(State.of(model), ("0", "2"), course(model)))
    assert len(kept) == breach
    assert all(np.array_equal(*pair) for pair in zip(weights(kept[-1]), weights(given[breach - 1]), strict=True))


def test_every_turn_is_kept_as_the_result_of_so_many_turns(model, tmp_path):
    """What the training of fewer turns would have given, so that each is a point that can be gone to."""
    store, recipe = Store(tmp_path / "one"), Recipe((Step(Loop(turns=2, share=0.2, budget=100.0)),))
    heard: list[tuple[str, Progress]] = []
    whole = train(model, recipe, store, progress=lambda *said: heard.append(said))
    reached = Training(model.name, recipe, *heard[-1]).reached
    assert [one.steps[0].method.turns for one in reached] == [1, 2]
    assert reached[1].digest == recipe.digest and not whole.previews
    found = compress(model, reached[0], store=store)
    assert not found.previews
    other = train(model, reached[0], Store(tmp_path / "other"))
    for name, form in found.forms.items():
        assert np.array_equal(form.compose(), other.forms[name].compose())


def test_cancelled_in_a_turn_the_turns_before_it_are_kept_as_stopped_early(model, tmp_path):
    """They are results of their own, and the loop can be asked for again; one that ends by its budget is whole."""
    store, recipe = Store(tmp_path / "one"), Recipe((Step(Loop(turns=3, share=0.2, budget=100.0)),))
    heard: list[Progress] = []
    cut = train(model, recipe, store, progress=lambda title, one: heard.append(one),
                cancelled=lambda: any(one.box == "Remove" and one.given for one in heard))  # fmt: skip
    assert cut.previews == ("Prune and fine-tune in a loop (stopped early)",)
    assert cut.forms["0"].parts[0].alive[0].sum() == 16
    assert not compress(model, Recipe((Step(Loop(turns=1, share=0.2, budget=100.0)),)), store=store).previews
    again = train(model, recipe, store)
    assert not again.previews and again.forms["0"].parts[0].alive[0].sum() == 8
    broken = Recipe((Step(Loop(turns=3, share=0.5, budget=0.0)),))
    found = train(model, broken, store, progress=lambda title, one: heard.append(one))
    assert not found.previews  # the first turn costs too much: the network as it was
    assert all(
        np.array_equal(*pair)
        for pair in zip(weights(State(found.model, found.forms)), weights(State.of(model)), strict=True)
    )
    heard.clear()
    train(model, broken, store, progress=lambda title, one: heard.append(one))
    assert not heard


def test_what_it_will_take_is_that_of_all_its_turns(model, tmp_path):
    seconds = [
        expected_seconds(model, Recipe((Step(Loop(turns=turns, budget=0.0)),)), Store(tmp_path)) for turns in (1, 8)
    ]
    assert seconds[1] > 2 * seconds[0]


@pytest.mark.parametrize("method", [Loop(turns=2, share=0.25, budget=100.0), RetrainedTaylor(rounds=2)])
def test_the_weights_that_meet_an_emptied_map_go_in_layers_that_were_not_chosen_too(model, method):
    *_, last = method.train(State.of(model), ("0",), course(model))
    gone = ~last.forms["0"].parts[0].alive[0]
    assert gone.sum() == 10 and np.array_equal(~last.forms["2"].parts[0].alive[1], gone)


@pytest.mark.parametrize("criterion", ["l1-filter", "magnitude"])
def test_any_of_its_criteria_ranks(model, criterion):
    *_, last = Loop(turns=2, share=0.25, criterion=criterion, budget=100.0).train(
        State.of(model), ("0", "2"), course(model)
    )
    if criterion == "magnitude":
        assert sum(part.nonzeros for form in last.forms.values() for part in form.parts) == round(0.5 * 180)
    else:
        assert last.forms["0"].parts[0].alive[0].sum() == 10
