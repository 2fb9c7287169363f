"""The order of the test images: fixed, and class-balanced at every prefix."""

import numpy as np
import pytest

from workbench.accuracy.order import class_balanced_order, selection
from workbench.data.split import Split
from workbench.errors import DataError


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
    assert (whole.inputs().numpy() == split.images[class_balanced_order(given)]).all()
    assert (first.inputs() == whole.inputs(0, 30)).all() and len(first) == 30
    assert (first.inputs(10, 20) == whole.inputs(10, 20)).all()
    assert (first.labels == whole.labels[:30]).all()


@pytest.mark.parametrize("images", [0, -3, 101])
def test_a_number_of_images_that_there_are_not_is_a_sentence(images: int) -> None:
    split = Split("test", np.zeros((100, 1), np.float32), np.zeros(100, np.int64))
    with pytest.raises(DataError, match=rf"^The test split has 100 images; {images} of them cannot be used\.$"):
        selection(split, images)
