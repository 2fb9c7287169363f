"""The embedded sets are the ones that are described, and their splits have nothing in common."""

import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from workbench.data import datasets, embed, idx
from workbench.data.datasets import Dataset
from workbench.data.sets._embedded import EMBEDDED
from workbench.data.split import SPLITS, Split
from workbench.errors import DataError

NAMES = ["mnist", "fashion-mnist"]


@pytest.mark.parametrize("name", NAMES)
def test_digests_are_the_committed_ones(name):
    committed = json.loads(embed.DIGESTS.read_text())[name]
    assert {split: datasets.load(name).split(split).digest for split in SPLITS} == committed


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_disjoint_in_content(name):
    contents = {split: {image.tobytes() for image in datasets.load(name).split(split).images} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not contents[one] & contents[other]
    assert len(contents["train"]) == 9_000  # and nothing twice in the splits that were drawn
    assert len(contents["validation"]) == 5_000


def test_class_counts():
    mnist, fashion = datasets.load("mnist"), datasets.load("fashion-mnist")
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.split("test").labels).tolist() == published
    counts = np.bincount(fashion.split("test").labels)
    assert counts.sum() == 9_990
    assert len(counts) == 10
    assert (counts <= 1_000).all()
    for dataset in (mnist, fashion):
        for split, per_class in embed.PER_CLASS.items():
            assert np.bincount(dataset.split(split).labels).tolist() == [per_class] * 10


def test_first_images_are_the_published_ones():
    """The first test labels of MNIST as every tutorial shows them, and the first digit's ink."""
    test = datasets.load("mnist").split("test")
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.images.dtype == np.uint8
    assert test.images[0, 0, 7, 6:9].tolist() == [84, 185, 159]


def test_inputs_lie_between_zero_and_one():
    split = datasets.load("mnist").split("calibration")
    inputs = split.inputs()
    assert inputs.shape == (1_000, 1, 28, 28)
    assert str(inputs.dtype) == "torch.float32"
    assert float(inputs.min()) == 0.0
    assert float(inputs.max()) == 1.0
    assert float(inputs[3, 0, 14, 14]) == np.float32(split.images[3, 0, 14, 14]) / np.float32(255)


def test_only_the_split_that_is_asked_for_is_read(monkeypatch):
    read = []
    real = idx.read
    monkeypatch.setattr(idx, "read", lambda path, dimensions: read.append(path.name) or real(path, dimensions))
    monkeypatch.setattr(datasets, "_loaded", {})
    dataset = datasets.load("mnist")
    assert read == []
    first = dataset.split("calibration")
    assert dataset.split("calibration") is first
    assert datasets.load("mnist").split("calibration") is first
    assert read == ["calibration-images-idx3-ubyte.gz", "calibration-labels-idx1-ubyte.gz"]


def test_names_and_provenance():
    assert datasets.names() == [*NAMES, "located-mnist"]
    assert datasets.load("fashion-mnist").title == "Fashion-MNIST (early release, own split)"
    for name in NAMES:
        dataset = datasets.load(name)
        assert len(dataset.classes) == 10
        assert dataset.licence
        assert dataset.licence in (EMBEDDED / name / "README.md").read_text()
        assert dataset.source


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"cifar.*mnist, fashion-mnist"):
        datasets.load("cifar")


def test_unknown_split_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'extra'.*train, calibration, validation, test"):
        datasets.load("mnist").split("extra")


def test_images_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        datasets.load("mnist").split("calibration").images[0] = 0


def test_own_arrays_are_kept_from_later_changes():
    images, labels = np.zeros((2, 3), dtype=np.uint8), np.array([0, 1])
    split = Split("test", images, labels)
    digest = split.digest
    images[0], labels[0] = 9, 1
    assert Split("test", split.images, split.labels).digest == digest


def test_own_arrays_of_any_shape():
    images = np.linspace(-1, 1, 24, dtype=np.float64).reshape(2, 3, 4)
    dataset = Dataset.from_arrays("mine", test=(images, np.array([0, 5])))
    split = dataset.split("test")
    assert split.inputs().shape == (2, 3, 4)
    assert split.inputs().numpy() == pytest.approx(images)
    assert split.targets().tolist() == [0, 5]
    with pytest.raises(DataError, match="mine has no split 'train'; it has: test"):
        dataset.split("train")


def test_digest_depends_on_images_labels_and_shape():
    images, labels = np.arange(12, dtype=np.uint8).reshape(2, 6), np.array([0, 1])
    digests = {
        Split("test", images, labels).digest,
        Split("test", images + 1, labels).digest,
        Split("test", images, labels[::-1]).digest,
        Split("test", images.reshape(2, 3, 2), labels).digest,
        Split("test", images.astype(np.float32), labels).digest,
    }
    assert len(digests) == 5
    assert Split("other", images, labels.astype(np.uint8)).digest == Split("test", images, labels).digest


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), "2 labels do not fit"),
        (np.zeros(3), np.zeros(3, int), "do not fit images of shape"),
        (np.zeros((0, 2)), np.zeros(0, int), "holds no images"),
        (np.zeros((2, 2)), np.array([0, -1]), "from 0 to 16,777,215"),
        (np.zeros((2, 2)), np.array([0, 10**11]), "from 0 to 16,777,215"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "whole numbers, and these are float64"),
        (np.zeros((2, 2)), np.zeros((2, 1), int), "whole numbers"),
        (np.array([[np.nan], [0]]), np.zeros(2, int), "not finite"),
        (np.array([["a"], ["b"]]), np.zeros(2, int), "must be numbers"),
    ],
)
def test_bad_arrays_are_refused(images, labels, reason):
    with pytest.raises(DataError, match=reason):
        Dataset.from_arrays("mine", test=(images, labels))


def test_listing_imports_no_torch():
    program = (
        "import sys, workbench.data.datasets as d; d.load('mnist').split('test'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
