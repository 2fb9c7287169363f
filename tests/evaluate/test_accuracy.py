"""Order, batches and answers: the same images give the same answers however many of them are asked for."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data.datasets import Split
from workbench.errors import DataError, ModelError
from workbench.evaluate.accuracy import BATCH, answers, class_balanced_order, selection
from workbench.models import zoo


def labels(counts: tuple[int, ...], seed: int = 0) -> np.ndarray:
    found = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(found)


@pytest.mark.parametrize(("counts", "within"), [((100,) * 10, 1), ((300, 20, 7, 1), 2), ((5,), 0), ((1, 1, 1), 1)])
def test_every_prefix_of_the_order_is_class_balanced(counts: tuple[int, ...], within: int) -> None:
    given = labels(counts)
    order = class_balanced_order(given)
    assert sorted(order) == list(range(len(given)))
    for length in range(1, len(given) + 1):
        seen = np.bincount(given[order[:length]], minlength=len(counts))
        assert (np.abs(seen - length * np.array(counts) / sum(counts)) <= within).all()


def test_the_order_is_fixed_for_ever() -> None:
    """A change here changes what `--images N` means."""
    given = np.arange(30) % 3
    assert class_balanced_order(given)[:12].tolist() == [6, 4, 2, 18, 10, 8, 27, 1, 5, 15, 16, 23]


def test_the_order_mixes_early_and_late_images_of_a_class() -> None:
    order = class_balanced_order(np.zeros(10_000, np.int64))
    assert 0.46 < np.mean(order[:500] < 5000) < 0.54


def test_a_selection_is_a_prefix_of_the_whole_order() -> None:
    given = labels((40, 40, 20))
    split = Split("test", np.arange(100, dtype=np.float32).reshape(100, 1), given)
    whole, first = selection(split), selection(split, 30)
    assert (whole.images == split.images[class_balanced_order(given)]).all()
    assert (first.images == whole.images[:30]).all()
    assert (first.labels == whole.labels[:30]).all()


@pytest.mark.parametrize("images", [0, -3, 101])
def test_a_number_of_images_that_there_are_not_is_a_sentence(images: int) -> None:
    split = Split("test", np.zeros((100, 1), np.float32), np.zeros(100, np.int64))
    with pytest.raises(DataError, match=rf"^The test split has 100 images; {images} of them cannot be used\.$"):
        selection(split, images)


@pytest.mark.parametrize("architecture", ["lenet-300-100", "mobilenet-v2"])
def test_answers_do_not_depend_on_how_many_images_are_asked_for(architecture: str) -> None:
    """Bit for bit: the scores of the first images, not only their labels."""
    network = zoo.build(architecture)
    inputs = torch.rand(BATCH + 70, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    scores: list[torch.Tensor] = []
    network.register_forward_hook(lambda module, given, output: scores.append(output.clone()))
    whole = list(answers(network, inputs))
    assert [len(one) for one in whole] == [BATCH, 70]
    assert [len(one) for one in answers(network, inputs[:33])] == [33]
    assert [len(one) for one in scores] == [BATCH, BATCH, BATCH]
    assert torch.equal(scores[0][:33], scores[2][:33])
    assert (whole[0] == scores[0].argmax(1).numpy()).all()


def test_an_empty_selection_has_no_answers() -> None:
    assert list(answers(nn.Identity().eval(), torch.zeros(0, 3))) == []


def test_a_cancelled_count_ends_between_two_batches() -> None:
    network = nn.Linear(4, 3).eval()
    found = []
    for batch in answers(network, torch.zeros(5 * BATCH, 4), cancelled=lambda: len(found) == 2):
        found.append(batch)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (nn.Linear(5, 3), r"cannot run on images of shape \(4,\): .*shapes"),
        (nn.Flatten(0), r"one row of class scores an image; for 500 images it gave \(2000,\)"),
        (nn.LSTM(4, 3), r"one row of class scores an image; for 500 images it gave tuple"),
        (nn.AdaptiveAvgPool1d(1).train(), r"training mode"),
    ],
)
def test_a_network_that_gives_no_class_scores_is_a_sentence(module: nn.Module, sentence: str) -> None:
    if "training" not in sentence:
        module.eval()
    with pytest.raises(ModelError, match=sentence):
        list(answers(module, torch.zeros(3, 4)))


def test_the_module_is_left_alone() -> None:
    network = zoo.build("lenet-5")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    list(answers(network, torch.rand(10, 1, 28, 28)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
