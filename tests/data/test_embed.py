"""How the embedded splits are drawn, on sets small enough to see through."""

import numpy as np
import pytest

from workbench.data import embed, idx


def made_up_set(seed, per_class):
    """Distinct images of 28 x 28 with labels, in mixed order."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
    return random.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8), labels


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(embed, "PER_CLASS", {"validation": 3, "calibration": 1, "train": 2})


def test_copies_never_straddle_two_splits(small):
    images, labels = made_up_set(0, per_class=8)
    test_images, test_labels = made_up_set(1, per_class=2)
    test_images[4] = images[11]  # on both sides
    first, second = np.flatnonzero(labels == 3)[:2]
    images[second] = images[first]  # twice in training
    splits = embed.draw((images, labels), (test_images, test_labels))
    assert np.array_equal(splits["test"][0], np.delete(test_images, 4, axis=0))
    assert np.array_equal(splits["test"][1], np.delete(test_labels, 4))
    contents = [image.tobytes() for split in splits.values() for image in split[0]]
    assert len(contents) == len(set(contents)) == 19 + 60
    assert images[first].tobytes() not in contents
    for name, per_class in embed.PER_CLASS.items():
        assert np.bincount(splits[name][1]).tolist() == [per_class] * 10


def test_labels_stay_with_their_images(small):
    train, test = made_up_set(0, per_class=8), made_up_set(1, per_class=2)
    label_of = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    for images, labels in (embed.draw(train, test)[name] for name in embed.PER_CLASS):
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()


def test_a_build_can_be_repeated(small, monkeypatch, tmp_path):
    for name in embed.published():
        (tmp_path / "full" / name).mkdir(parents=True)
        for part, (images, labels) in {"train": made_up_set(2, 8), "t10k": made_up_set(3, 2)}.items():
            idx.write(tmp_path / "full" / name / f"{part}-images-idx3-ubyte.gz", images)
            idx.write(tmp_path / "full" / name / f"{part}-labels-idx1-ubyte.gz", labels)
    built = []
    for attempt in ("first", "second"):
        monkeypatch.setattr(embed, "EMBEDDED", tmp_path / attempt)
        monkeypatch.setattr(embed, "DIGESTS", tmp_path / attempt / "splits.json")
        embed.embed(tmp_path / "full")
        built.append({
            path.relative_to(tmp_path / attempt): path.read_bytes() for path in (tmp_path / attempt).rglob("*.*")
        })  # fmt: skip
    assert built[0] == built[1]
    assert len(built[0]) == 17
