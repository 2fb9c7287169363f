"""Ladders: what comes trained is what its index says, of these very networks and images, and of no other."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from workbench.compression import ladders
from workbench.compression.compressed import compress
from workbench.compression.steps import Walk
from workbench.data.datasets import Dataset
from workbench.engine.ladders import CEILING, COST, LADDERS, SHARES, make, rungs
from workbench.engine.training import expected_seconds, train
from workbench.errors import WorkbenchError
from workbench.exporters.packed import write
from workbench.importers.packed import read
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.models import zoo
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy

NETWORKS = [name for name in zoo.names() if (ladders.folder(name) / ladders.INDEX).is_file()]
TRAINED = "Magnitude pruning with retraining"


@pytest.fixture(scope="module")
def lenet() -> Model:
    return workbench.load("lenet-300-100/mnist")


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty one."""
    return Store(tmp_path / "results")


def retrained(sparsity: float) -> Recipe:
    return Recipe((Step(RetrainedMagnitude(sparsity=sparsity)),))


def test_there_is_a_whole_ladder_of_magnitude_with_retraining(lenet):
    known = {rung.recipe.digest for rung in ladders.ladder(lenet)}
    assert {retrained(share).digest for share in SHARES} <= known


@pytest.mark.parametrize("name", NETWORKS)
def test_every_rung_has_its_file_and_its_log_and_belongs_to_the_network_of_today(name):
    model, folder = workbench.load(name), ladders.folder(name)
    rungs = ladders.ladder(model)
    assert rungs  # the digests in the index are those of this network and these images
    files = {path.name for path in folder.iterdir()}
    assert files == {ladders.INDEX, *(rung.path.name for rung in rungs), *(rung.log.name for rung in rungs)}
    for rung in rungs:
        content, log = rung.path.read_bytes(), json.loads(rung.log.read_text())
        assert (rung.digest, rung.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert (log["digest"], log["size"], log["model"]) == (rung.digest, rung.size, name)
        assert Recipe.from_object(log["recipe"]) == rung.recipe
        assert log["seed"] == rung.seed == rung.method.seed
        assert (log["validation"], log["test"], log["minutes"]) == (rung.validation, rung.test, rung.minutes)
        assert (log["bits"], log["unrounded"]) == (rung.bits, rung.unrounded)
        assert rung.bits in (8, 16, 32) and rung.unrounded - rung.validation < COST
        assert log["digests"] == {split: model.data.split(split).digest for split in log["images"]}
        assert log["epochs"][-1]["share"] == 1.0


def test_all_ladders_together_keep_to_their_ceiling():
    assert 0 < sum(path.stat().st_size for path in ladders.FOLDER.rglob("*.cwb")) <= CEILING == 12_000_000
    assert {path.name for path in ladders.FOLDER.iterdir()} == {ladders.folder(name).name for name in NETWORKS}


def test_what_is_restored_is_what_was_trained_and_as_good_as_the_index_says(lenet, store):
    for rung in (one for one in ladders.ladder(lenet) if one.path.stem.endswith("-90")):
        assert as_good_as_said(lenet, rung, store)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_rung_is_as_good_as_the_index_says(name, store):
    model = workbench.load(name)
    for rung in ladders.ladder(model):
        assert as_good_as_said(model, rung, store)


def as_good_as_said(model: Model, rung: ladders.Rung, store: Store) -> bool:
    restored = compress(model, rung.recipe, store=store)
    assert restored.faithful and restored.shipped == (rung.method.title,)
    if isinstance(rung.method, RetrainedMagnitude):
        weights = sum(layer.weight.size for layer in model.layers)
        left = sum(form.parts[0].nonzeros for form in restored.forms.values())
        kept = weights - round(rung.method.sparsity * weights)
        assert kept * 0.999 <= left <= kept + len(restored.forms)  # some are rounded to zero; each layer has its share
    # Another processor may round a near tie the other way: one image of 10,000 is 1e-4.
    return accuracy(restored.to_torch(), model.data.split("test")) == pytest.approx(rung.test, abs=3e-4)


def test_what_a_rung_holds_is_written_again_to_the_last_bit(lenet, tmp_path):
    for rung in ladders.ladder(lenet)[-2:]:
        came = read(rung.path)
        again = read(write(came, tmp_path / "again.cwb"))
        assert again.recipe == came.recipe
        for name, form in came.forms.items():
            assert again.forms[name].compose().tobytes() == form.compose().tobytes()
        for name, tensor in came.model.rest.items():
            assert again.model.rest[name].tobytes() == tensor.tobytes()


def test_rounded_weights_are_float32_values_of_which_a_channel_has_few(lenet, store, tmp_path):
    """What is small is the file that is shipped; the size that is shown is that of the file that is written."""
    rung = ladders.rung(lenet, retrained(0.9))
    assert rung.bits == 8
    restored = compress(lenet, rung.recipe, store=store)
    for form in restored.forms.values():
        assert form.parts[0].levels is None
        assert all(np.unique(channel).size < 2**8 for channel in form.compose())
    assert any(np.unique(form.compose()).size > 2**8 for form in restored.forms.values())
    assert restored.size.value == restored.save(tmp_path / "saved.cwb").stat().st_size > rung.size


def test_retraining_wins_back_what_the_cut_costs(lenet, store):
    """Han et al. 2015, figure 5: with retraining accuracy holds where the cut alone has lost it."""
    (rung,) = (one for one in ladders.ladder(lenet) if one.recipe == retrained(0.95))
    cut = compress(lenet, rung.cut, store=store)
    assert rung.test > accuracy(cut.to_torch(), lenet.data.split("test")) + 0.05


def test_what_is_shipped_is_said_and_never_trained_again(lenet, store):
    recipe = retrained(0.9)
    assert expected_seconds(lenet, recipe, store) == 0
    report = workbench.assess(compress(lenet, recipe, store=store), images=100)
    assert report.kind == "faithful" and report.shipped == (TRAINED,)
    said = f"{TRAINED} was not trained here: its result comes with the workbench, its weights rounded to 8 bits."
    assert said in report.notes
    four = compress(lenet, Recipe((*recipe.steps, Step(KMeans(bits=4)))), store=store)  # steps go on from there
    assert four.faithful and four.shipped == (TRAINED,)


def test_the_users_own_result_comes_before_what_is_shipped(lenet, store):
    walk = Walk(State.of(lenet), retrained(0.9), lambda: False, False, store)
    walk.keep_result(walk.state, {"stopped": False})
    own = compress(lenet, retrained(0.9), store=store)
    assert own.faithful and own.shipped == ()
    np.testing.assert_array_equal(own.forms["fc1"].compose(), lenet.layer("fc1").weight)


def test_other_weights_images_or_settings_are_offered_nothing(lenet, store):
    other = replace(Model.from_module(zoo.build("lenet-300-100", 1), lenet.example, lenet.data, lenet.name))
    fewer = Dataset.from_arrays(
        "fewer", **{name: _some(lenet, name) for name in ("train", "validation", "calibration", "test")}
    )
    elsewhere = Model.from_module(lenet.module, lenet.example, fewer, lenet.name)
    for model in (other, elsewhere):
        assert ladders.ladder(model) == ()
        assert compress(model, retrained(0.9), store=store).previews == (TRAINED,)
    seeded = Recipe((Step(RetrainedMagnitude(sparsity=0.9, seed=1)),))
    assert compress(lenet, seeded, store=store).previews == (TRAINED,)
    assert ladders.ladder(workbench.load("vgg-16")) == ()


def _some(model: Model, name: str) -> tuple[np.ndarray, np.ndarray]:
    split = model.data.split(name)
    return split.images[:50], split.labels[:50]


@pytest.fixture
def tiny(monkeypatch, tmp_path) -> Model:
    """A network of its own, and an empty folder in the place of what is shipped."""
    monkeypatch.setattr(ladders, "FOLDER", tmp_path / "ladders")
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    images = {
        name: (random.integers(0, 256, (40, 1, 4, 4)).astype(np.uint8), random.integers(0, 3, 40))
        for name in ("train", "validation", "calibration", "test")
    }
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    return Model.from_module(module, torch.zeros(1, 1, 4, 4), Dataset.from_arrays("noise", **images), name="tiny")


def test_a_rung_is_made_once_and_found_at_once(tiny, store, monkeypatch):
    told = []
    score = make(tiny, "magnitude", 0.5, told.append)
    ladders._index.cache_clear()
    (rung,) = ladders.ladder(tiny)
    assert rung.recipe == retrained(0.5) and rung.test == score
    assert len(told) == 9 and told[-1].share == 1.0  # three rounds of three passes
    restored = compress(tiny, rung.recipe, store=store)
    assert accuracy(restored.to_torch(), tiny.data.split("test")) == rung.test
    assert make(tiny, "magnitude", 0.5, told.append) == score and len(told) == 9  # nothing is trained again
    make(tiny, "magnitude", 0.7)
    ladders._index.cache_clear()
    assert [one.path.name for one in ladders.ladder(tiny)] == ["magnitude-50.cwb", "magnitude-70.cwb"]
    monkeypatch.setattr("workbench.engine.ladders.CEILING", 100)
    with pytest.raises(WorkbenchError, match=r"magnitude-80\.cwb is left out: the ladders would be larger than 100 by"):
        make(tiny, "magnitude", 0.8)


@pytest.mark.parametrize(("cost", "bits"), [(1.0, 8), (-1.0, 32)])
def test_weights_are_rounded_to_as_few_bits_as_cost_too_little_to_matter(tiny, store, monkeypatch, cost, bits):
    monkeypatch.setattr("workbench.engine.ladders.COST", cost)
    trained = train(tiny, retrained(0.5), Store(store.folder / "own"))
    make(tiny, "magnitude", 0.5)
    ladders._index.cache_clear()
    (rung,) = ladders.ladder(tiny)
    shipped = compress(tiny, rung.recipe, store=store)
    assert rung.bits == bits and trained.shipped == () and shipped.shipped == (TRAINED,)
    rounded = [note for note in shipped.notes if "rounded" in note.text]
    assert len(rounded) == (bits < 32)
    for name, form in shipped.forms.items():
        weights = trained.forms[name].compose()
        steps = 0.5 * (bits < 32) * np.abs(weights).max(1, keepdims=True) / 127
        assert (np.abs(form.compose() - weights) <= steps * (1 + 1e-5)).all()


def test_weights_that_were_trained_for_few_levels_are_shipped_on_them(tiny, store):
    recipe = Recipe((Step(LADDERS["aware"](2)),))
    trained = train(tiny, recipe, Store(store.folder / "own"))
    make(tiny, "aware", 2)
    ladders._index.cache_clear()
    (rung,) = ladders.ladder(tiny)
    shipped = compress(tiny, recipe, store=store)
    assert rung.bits == ladders.AS_TRAINED and shipped.shipped and shipped.size.value == trained.size.value
    for name, form in shipped.forms.items():
        assert form.parts[0].bits == 2
        np.testing.assert_array_equal(form.compose(), trained.forms[name].compose())


@pytest.mark.parametrize("name", LADDERS)
def test_every_ladder_cuts_the_share_that_is_asked_for(name):
    for rung in rungs(name):
        method = LADDERS[name](rung)
        cut = method.stand_in()
        if cut is None:
            assert method.strength == rung
        else:
            driven = next(one for one in ("bits", "terms", "sparsity", "share") if one in cut.settings())
            assert getattr(cut, driven) == pytest.approx(rung, abs=1e-9)


def test_what_no_cut_stands_in_for_is_seen_alone(lenet):
    rung = ladders.rung(lenet, retrained(0.9))
    assert rung.beside == (rung.recipe, rung.cut)
    alone = replace(rung, recipe=Recipe((Step(LADDERS["structured-sparsity"](0.01)),)))
    assert alone.cut is None and alone.beside == (alone.recipe,)


def test_the_folder_of_a_network_has_its_name():
    assert ladders.folder("lenet-5/mnist") == Path(zoo.__file__).parent / "ladders" / "lenet-5-mnist"
