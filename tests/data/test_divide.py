"""One pile of images becomes four splits by content: no image in two, the same in any order, none moved by others."""

from itertools import combinations

import numpy as np
import pytest

from workbench.data.datasets import Dataset
from workbench.data.divide import SHARES
from workbench.data.split import SPLITS
from workbench.errors import DataError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (2_000, 3, 2, 2), dtype=np.uint8)
LABELS = IMAGES[:, 0, 0, 0] % 7


def contents(data: Dataset) -> dict[str, list[tuple[bytes, int]]]:
    splits = {name: data.split(name) for name in SPLITS}
    return {
        name: [(image.tobytes(), int(label)) for image, label in zip(split.images, split.labels, strict=True)]
        for name, split in splits.items()
    }


def test_every_image_is_in_one_split_with_its_label_and_shares_are_met() -> None:
    copies = np.concatenate([IMAGES, IMAGES[:500]])
    divided = contents(Dataset.of((copies, np.concatenate([LABELS, LABELS[:500]])), divide=True))
    assert sum(SHARES.values()) == pytest.approx(1) and set(SHARES) == set(SPLITS)
    for one, other in combinations(SPLITS, 2):
        assert not set(divided[one]) & set(divided[other])
    everything = [image for split in divided.values() for image in split]
    assert sorted(everything) == sorted((image.tobytes(), int(image[0, 0, 0] % 7)) for image in copies)
    for name, share in SHARES.items():
        deviation = np.sqrt(share * (1 - share) / 2_000)
        assert len(set(divided[name])) / 2_000 == pytest.approx(share, abs=4 * deviation)


def test_neither_the_order_nor_other_images_move_one() -> None:
    few = contents(Dataset.of((IMAGES[:900], LABELS[:900]), divide=True))
    order = RANDOM.permutation(2_000)
    all_of_them = contents(Dataset.of((IMAGES[order], LABELS[order]), divide=True))
    assert all(set(few[name]) <= set(all_of_them[name]) for name in SPLITS)


def test_what_is_not_divided_is_what_is_tested_on() -> None:
    data = Dataset.of((IMAGES, LABELS))
    assert [name for name in SPLITS if data.has(name)] == ["test"] and len(data.split("test")) == 2_000


def test_several_labels_go_with_their_images() -> None:
    truth = np.unpackbits(IMAGES[:, 0, 0, :1], axis=1)
    data = Dataset.of((IMAGES, truth), task="multi-label", divide=True)
    for name in SPLITS:
        split = data.split(name)
        assert np.array_equal(split.truth, np.unpackbits(split.images[:, 0, 0, :1], axis=1))


def test_too_few_to_divide_is_one_sentence() -> None:
    with pytest.raises(DataError, match="own: 1 images are too few to be divided; bring each split apart"):
        Dataset.of((np.zeros((1, 4), np.float32), [0]), divide=True)
