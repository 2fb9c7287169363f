"""Networks that are known by their shapes alone: what follows from these is what weights would give."""

import subprocess
import sys

import pytest
import torch

import workbench
from workbench.costs.size import Size
from workbench.errors import BlankError, RecipeError
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.prune.n_m import NofM
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.models import zoo
from workbench.models.architectures.mobilenet import MobileNet
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


@pytest.fixture(scope="module")
def vgg() -> Model:
    return workbench.load("vgg-16")


def twins() -> tuple[Model, Model]:
    """LeNet-5 with weights and without."""
    x = torch.zeros(1, 1, 28, 28)
    return Model.from_module(zoo.build("lenet-5"), x, name="twin"), Model.from_module(
        zoo.blank("lenet-5"), x, name="twin"
    )


def test_it_opens_at_once_and_takes_no_room_for_weights():
    program = (
        "import time, resource, workbench.network.model as m; from workbench.models import zoo\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3\n"
        "before, start = peak(), time.perf_counter(); m.load('vgg-16')\n"
        "print(time.perf_counter() - start, peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 3 and megabytes < 50  # its weights would take 553 MB


def test_vgg_16_has_the_published_counts_and_wears_modelled(vgg):
    """138.36 M parameters, 15.47 G MACs, 553.4 MB; the linear layers hold 89.4 % (catalogue CA-04)."""
    report = workbench.assess(workbench.compress(vgg, Recipe()))
    beside = sum(tensor.size for tensor in vgg.rest.values())
    weights = {row.name: row.weights for row in report.layers}
    assert sum(weights.values()) + beside == 138_357_544
    assert report.compressed.macs == report.compressed.effective_macs == 15_470_264_320
    size = report.compressed.size
    assert size.value - size.by_part["header"] == 4 * 138_357_544
    assert round(size.value / 1e6, 1) == 553.4
    linear = sum(count for name, count in weights.items() if name.startswith("fc")) + 4096 + 4096 + 1000
    assert round(100 * linear / 138_357_544, 1) == 89.4
    assert {figure.badge for figure in report.compressed.costs.values()} == {"modelled"}
    assert report.compressed.accuracy is None and any("no weights here" in note for note in report.notes)


def test_sliders_move_its_size_operations_and_energy(vgg):
    def told(**sliders):
        return workbench.assess(workbench.compress(vgg, Recipe.sliders(**sliders))).compressed

    plain, sparse, coarse, thin = told(), told(sparsity=0.9), told(bits=4), told(rank=0.3)
    assert sparse.effective_macs == pytest.approx(0.1 * plain.effective_macs, rel=1e-4) and sparse.macs == plain.macs
    assert sparse.size.value == pytest.approx(138_357_544 * (4 * 0.1 + 1 / 8), rel=1e-3)  # a bitmap, and a tenth
    assert coarse.size.value == pytest.approx(138_357_544 / 2, rel=2e-3)
    assert thin.macs < 0.5 * plain.macs
    assert max(told(sparsity=0.9, bits=4).energy.value, thin.energy.value) < plain.energy.value


@pytest.mark.parametrize(
    ("steps", "encoding"),
    [
        ((), "dense"),
        ((Magnitude(sparsity=0.6, scope="layer"),), "bitmap"),
        ((Uniform(bits=4),), "affine"),
        ((Uniform(bits=5, per="group", symmetric="no"),), "affine"),
        ((NofM(pattern="2:4"),), "n-m"),
        ((NofM(pattern="1:4"), Uniform(bits=8)), "n-m"),
    ],
    ids=["plain", "sparse", "4 bits", "groups", "2:4", "1:4 in 8 bits"],
)
def test_sizes_and_operations_are_those_that_weights_give(steps, encoding):
    known, blank = (
        workbench.compress(model, Recipe(tuple(map(Step, steps)), {layer.name: encoding for layer in model.layers}))
        for model in twins()
    )
    for (_, ours), (_, theirs) in zip(known.plans.values(), blank.plans.values(), strict=True):
        assert ours.arrays == theirs.arrays
    assert Size.of(known).value == Size.of(blank).value
    if not any(isinstance(step, Uniform) for step in steps):  # rounding makes zeros of its own
        ours, theirs = (workbench.assess(one).compressed.effective_macs for one in (known, blank))
        assert ours == theirs


def test_what_needs_values_says_so(vgg, tmp_path):
    left = workbench.compress(vgg, Recipe((Step(KMeans(bits=4)),)))
    assert {note.layer for note in left.notes} == {layer.name for layer in vgg.layers}
    assert all("has no weights here" in note.text for note in left.notes)
    with pytest.raises(RecipeError, match="layer 'fc6': it has no weights here"):
        workbench.compress(vgg, Recipe((Step(KMeans(bits=4), layers=("fc6",)),)))
    for run in (lambda: left.save(tmp_path / "vgg.cwb"), left.to_torch, left.packed):
        with pytest.raises(BlankError, match="weights of this network are not known"):
            run()
    assert list(tmp_path.iterdir()) == []


def test_mobilenet_scales_with_the_squares_of_width_and_resolution():
    def macs(width, side):
        with torch.device("meta"):
            module = MobileNet(width)
        model = Model.from_module(module.eval(), torch.zeros(1, 3, side, side))
        return workbench.assess(workbench.compress(model, Recipe())).compressed.macs

    whole = macs(1.0, 224)
    assert round(whole / 1e6) == 569  # Howard et al. 2017, table 4
    assert round(macs(0.75, 224) / 1e6) == 325 and round(macs(0.5, 224) / 1e6) == 149  # table 6
    assert macs(1.0, 128) == pytest.approx(whole * (128 / 224) ** 2, rel=0.01)
