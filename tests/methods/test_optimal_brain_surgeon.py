"""Optimal Brain Surgeon: inverses beside dense ones, deletions beside least squares, their order beside brute force."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import workbench
from workbench.calibration.evidence import Calibration
from workbench.calibration.inverse_hessians import take_in
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.errors import DataError, RecipeError
from workbench.evidence import Blocks
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune._surgery import operate
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.prune.optimal_brain_damage import OptimalBrainDamage
from workbench.methods.prune.optimal_brain_surgeon import OptimalBrainSurgeon
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step

RNG = np.random.default_rng(0)


def noisy(module: nn.Module, *shape: int) -> Model:
    images, labels = RNG.random((9, *shape), np.float32), np.arange(9) % 3
    data = Dataset.from_arrays("noise", test=(images, labels), calibration=(images, labels))
    return Model.from_module(module.eval(), torch.zeros(1, *shape), data)


def dense(model: Model, layer: str) -> np.ndarray:
    """H of a layer's weights in storage order: the mean over images of Σ_c p_c g_c g_cᵀ, were c the label."""
    module, total = State.of(model).module(), 0.0
    weight = module.get_parameter(model.layer(layer).parameter).requires_grad_(True)
    images = model.data.split("calibration").inputs()
    for image in images:
        scores = module(image[None])
        for label, share in enumerate(scores[0].softmax(0).tolist()):
            loss = F.cross_entropy(scores, torch.tensor([label]))
            slope = torch.autograd.grad(loss, weight, retain_graph=True)[0].double().numpy().ravel()
            total = total + share * np.outer(slope, slope)
    return total / len(images)


class Twice(nn.Module):
    """A layer that is called twice, behind one that sees several positions."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.again, self.last = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(15, 3)

    def forward(self, x):
        return self.last(self.again(F.relu_(self.again(torch.tanh(self.rows(x))))).flatten(1))


@pytest.fixture(scope="module")
def perceptron() -> Model:
    torch.manual_seed(0)
    return noisy(nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)), 7)


def test_after_a_deletion_the_others_are_those_of_least_squares_and_the_loss_has_risen_by_l_q():
    """Of 1/2P Σ (y − wᵀx)² + α/2 ‖w − w°‖², w° the solution before: α is the penalty that H₀⁻¹ = I / α brings in."""
    x, alpha = RNG.standard_normal((200, 12)), 0.05
    y = x @ RNG.standard_normal(12) + RNG.standard_normal(200)
    trained = np.linalg.lstsq(x, y, rcond=None)[0]

    def loss(w: np.ndarray) -> float:
        return np.square(y - x @ w).mean() / 2 + alpha / 2 * np.square(w - trained).sum()

    inverse = torch.eye(12, dtype=torch.double)[None] / alpha
    take_in(inverse, torch.from_numpy(x)[None], len(x))
    surgery = operate(trained[None], inverse.numpy())
    for gone in range(1, 12):
        after = surgery.after(trained[None], np.array([gone]))[0]
        kept = np.setdiff1d(np.arange(12), surgery.order[0, :gone])
        normal = x[:, kept].T @ x[:, kept] / 200 + alpha * np.eye(len(kept))
        refitted = np.zeros(12)
        refitted[kept] = np.linalg.solve(normal, x[:, kept].T @ y / 200 + alpha * trained[kept])
        np.testing.assert_allclose(after, refitted, rtol=0, atol=1e-8)
        assert not after[surgery.order[0, :gone]].any()
        assert loss(after) - loss(trained) == pytest.approx(surgery.costs[0, :gone].sum(), abs=1e-8)


def test_one_sample_at_a_time_is_the_recursion_of_the_paper_and_several_give_the_same():
    samples, alpha = RNG.standard_normal((50, 9)), 1e-3
    inverse = np.eye(9) / alpha
    for x in samples:
        along = inverse @ x
        inverse = inverse - np.outer(along, along) / (50 + x @ along)
    together = torch.eye(9, dtype=torch.double)[None] / alpha
    take_in(together, torch.from_numpy(samples)[None], 50)
    np.testing.assert_allclose(together[0], inverse, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(inverse, np.linalg.inv(samples.T @ samples / 50 + alpha * np.eye(9)), rtol=1e-8)


def test_the_inverse_is_that_of_a_dense_hessian_whole_by_rows_and_by_pieces(perceptron):
    torch.manual_seed(0)
    convolutional = nn.Sequential(
        nn.Conv2d(2, 4, 2, stride=2, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, (3, 1), padding="same", groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(54, 3),
    )  # fmt: skip
    cases = [(perceptron, "0", 42), (noisy(convolutional, 2, 5, 5), "0", 32), (noisy(Twice(), 3, 4), "again", 25)]
    cases.append((cases[1][0], "3", 36))
    for model, layer, weights in cases:
        hessian, evidence = dense(model, layer), Calibration(State.of(model), f"inverse {weights}")
        for size in (50, weights - 1, 3):
            blocks = Blocks.of(model.layer(layer).shape, size)
            assert (blocks.count == 1) == (size >= weights) and blocks.largest <= size
            columns = weights // blocks.rows
            for run, inverses in zip(blocks.runs, evidence.inverse_hessian(layer, blocks, 1e-2), strict=True):
                for row, inverse in enumerate(inverses):
                    places = np.arange(row * columns + run.start, row * columns + run.stop)
                    block = hessian[np.ix_(places, places)] + 1e-2 * np.eye(len(places))
                    np.testing.assert_allclose(inverse, np.linalg.inv(block), rtol=1e-4, atol=1e-4)


def naive(weights: list[np.ndarray], hessians: list[np.ndarray], count: int) -> list[np.ndarray]:
    """One by one the weight whose block would lose least by it, with the inverse of what is left worked out anew."""
    weights = [one.copy() for one in weights]
    left = [np.arange(len(one)) for one in weights]
    for _ in range(count):
        best = (np.inf, 0, 0, np.zeros(0))
        for block, kept in enumerate(left):
            inverse = np.linalg.inv(hessians[block][np.ix_(kept, kept)])
            costs = np.square(weights[block][kept]) / (2 * np.diag(inverse))
            place = int(costs.argmin()) if len(kept) else 0
            if len(kept) and costs[place] < best[0]:
                best = (costs[place], block, place, inverse[:, place] / inverse[place, place])
        _, block, place, column = best
        kept = left[block]
        weights[block][kept] -= weights[block][kept[place]] * column
        weights[block][kept[place]] = 0
        left[block] = np.delete(kept, place)
    return weights


@pytest.mark.parametrize("sparsity", [0.3, 0.8, 1.0])
def test_the_blocks_of_a_network_lose_what_brute_force_takes_of_them(perceptron, sparsity):
    """Two layers: the first in six blocks of 7 weights, the second, of 18, as a whole."""
    settings = {"block": 20, "damping": "1e-4"}
    alpha = 1e-4 * np.eye(7)
    first, second = dense(perceptron, "0"), dense(perceptron, "2") + 1e-4 * np.eye(18)
    hessians = [first[7 * row : 7 * row + 7, 7 * row : 7 * row + 7] + alpha for row in range(6)] + [second]
    weights = [row.astype(float) for row in perceptron.layers[0].weight]
    weights.append(perceptron.layers[1].weight.ravel().astype(float))
    expected = naive(weights, hessians, round(sparsity * 60))
    compressed = compress(perceptron, Recipe((Step(OptimalBrainSurgeon(sparsity=sparsity, **settings)),)))
    found = [*compressed.forms["0"].compose(), compressed.forms["2"].compose().ravel()]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours == 0, theirs == 0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    by_layer = compress(perceptron, Recipe((Step(OptimalBrainSurgeon(sparsity=sparsity, scope="layer", **settings)),)))
    assert [np.count_nonzero(form.compose() == 0) for form in by_layer.forms.values()] == [
        round(sparsity * 42), round(sparsity * 18),
    ]  # fmt: skip


def test_what_is_gone_stays_gone_and_counts(perceptron):
    cut = Step(Magnitude(sparsity=0.4, scope="layer"))
    before = compress(perceptron, Recipe((cut,)))
    for sparsity, zeros in ((0.2, 24), (0.7, 42)):
        after = compress(perceptron, Recipe((cut, Step(OptimalBrainSurgeon(sparsity=sparsity)))))
        gone = [after.forms[name].compose() == 0 for name in ("0", "2")]
        assert all(zero[before.forms[name].compose() == 0].all() for zero, name in zip(gone, ("0", "2"), strict=True))
        assert sum(int(zero.sum()) for zero in gone) == zeros


def test_which_block_of_the_hessian_was_in_use_is_said(perceptron):
    def said(block: int) -> list[str]:
        step = Step(OptimalBrainSurgeon(sparsity=0.5, block=block), ("0",))
        return [note.text for note in compress(perceptron, Recipe((step,))).notes]

    assert said(42) == ["Its Hessian was taken as a whole, of 42 weights."]
    assert said(41) == ["Its Hessian was taken in 6 blocks of at most 7 weights, those of an output each."]
    assert said(6) == ["Its Hessian was taken in 12 blocks of at most 4 weights, neighbours of one output."]


def test_it_is_worked_out_once_for_every_sparsity(perceptron, monkeypatch):
    asked: list[str] = []
    known = Calibration.inverse_hessian

    def counted(self, layer: str, *rest):
        asked.append(layer)
        return known(self, layer, *rest)

    monkeypatch.setattr(Calibration, "inverse_hessian", counted)
    for sparsity in (0.31, 0.52, 0.52, 0.93):
        compress(perceptron, Recipe((Step(OptimalBrainSurgeon(sparsity=sparsity, damping="1e-5")),)))
    assert asked == ["0", "2"]


def test_what_has_no_hessian_is_said(perceptron):
    step = Step(OptimalBrainSurgeon(sparsity=0.5), ("0",))
    with pytest.raises(RecipeError, match="'0'.* product of matrices"):
        compress(perceptron, Recipe((Step(SVD(rank=0.3), ("0",)), step)))
    images = RNG.random((9, 20), np.float32)
    data = Dataset.from_arrays(
        "sizes", test=(images, images[:, :1]), calibration=(images, images[:, :1]), task="regression"
    )
    sized = Model.from_module(nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 1)), torch.zeros(1, 20), data)
    with pytest.raises(DataError, match="no scores of classes"):
        compress(sized, Recipe((Step(OptimalBrainSurgeon(sparsity=0.5)),)))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_the_loss_changes_less_than_where_nothing_makes_up(part, record_property):
    """Catalogue PR-03, fc3 of LeNet-300-100 as one block, on 3,000 of its training images: up to half of its weights.

    The surgeon holds the loss within 0.0001 of 0.01 throughout. Damage is below magnitude up to a fifth, where the
    catalogue asks for half: beyond, so many weights at once are no small change any more (see PR-02 there).
    """
    shipped = workbench.load("lenet-300-100/mnist")
    train, some = shipped.data.split("train"), slice(3000 * part, 3000 * part + 3000)
    images = train.images[some], train.labels[some]
    model = Model.from_module(
        shipped.module, torch.zeros(1, 1, 28, 28), Dataset.from_arrays("3,000", test=images, calibration=images)
    )
    x, y = model.data.split("test").inputs(), model.data.split("test").targets()

    def rise(method) -> float:
        network = compress(model, Recipe((Step(method, ("fc3",)),))).to_torch()
        with torch.inference_mode():
            return float(F.cross_entropy(network(x), y) - F.cross_entropy(model.module(x), y))

    for sparsity in (0.15, 0.2, 0.3, 0.4, 0.5):
        surgeon = rise(OptimalBrainSurgeon(sparsity=sparsity, block=1000))
        damage, magnitude = (rise(method(sparsity=sparsity)) for method in (OptimalBrainDamage, Magnitude))
        assert abs(surgeon) < 1e-4 and surgeon < min(damage, magnitude)
        assert sparsity > 0.2 or damage < magnitude
    record_property("PR-03, half of fc3, loss up by", f"{surgeon:.6f}")
    record_property("OBD", f"{damage:.4f}")
    record_property("magnitude", f"{magnitude:.4f}")


@pytest.mark.slow
def test_nine_tenths_go_without_any_retraining(record_property):
    """LeNet-300-100: what retraining wins back elsewhere (PR-01) is not lost."""
    model = workbench.load("lenet-300-100/mnist")
    found = {}
    for method in (OptimalBrainSurgeon, OptimalBrainDamage, Magnitude):
        compressed = compress(model, Recipe((Step(method(sparsity=0.9)),)))
        found[method] = workbench.assess(compressed).compressed.accuracy.value
        record_property(f"90 % zeros, {method.title}", f"{found[method]:.2%}")
    assert found[OptimalBrainSurgeon] > max(found[Magnitude], found[OptimalBrainDamage]) + 0.01
