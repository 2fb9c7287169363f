"""A folder of pictures, one sub-folder a class, is data; what is odd about it is one sentence that names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench
from workbench.data.datasets import Dataset
from workbench.data.split import SPLITS
from workbench.errors import DataError

RANDOM = np.random.default_rng(0)


def picture(path: Path, *shape: int, mode: str | None = None, **how: Any) -> np.ndarray:
    """Write a picture of noise [height, width] or [height, width, 3], in another mode of Pillow's where it is named."""
    values = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path, **how)
    return values


@pytest.fixture
def zoo(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Two pictures of a cat and three of a dog, 6 x 5 pixels in colour, and what a folder gathers beside."""
    folder = tmp_path / "zoo"
    names = ["dog/c.png", "dog/deeper/a.png", "dog/b.bmp", "cat/2.PNG", "cat/1.png"]
    values = {name: picture(folder / name, 6, 5, 3) for name in names}
    (folder / "cat" / "notes.txt").write_text("not a picture")
    (folder / "cat" / "._1.png").write_bytes(b"a trace of another system")
    (folder / ".cache").mkdir()
    return folder, values


def test_pictures_are_read_as_they_are_in_the_order_of_classes_and_names(zoo: tuple[Path, dict[str, Any]]) -> None:
    folder, values = zoo
    for data in (Dataset.from_folder(folder), Dataset.of(folder), Dataset.of(str(folder))):
        split = data.split("test")
        assert (data.name, data.classes, data.task) == ("zoo", ("cat", "dog"), "classification")
        assert split.labels.tolist() == [0, 0, 1, 1, 1]
        ordered = ["cat/1.png", "cat/2.PNG", "dog/b.bmp", "dog/c.png", "dog/deeper/a.png"]
        assert np.array_equal(split.images, np.stack([values[name].transpose(2, 0, 1) for name in ordered]))
        assert not any(data.has(name) for name in SPLITS if name != "test")
    assert float(split.inputs().max()) <= 1


def test_a_network_is_judged_by_them(zoo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = zoo
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 5, 2))
    network[1].weight.data.zero_()
    network[1].bias.data = torch.tensor([0.0, 1.0])  # all are dogs
    model = workbench.Model.from_module(network, torch.zeros(1, 3, 6, 5), folder)
    assert workbench.assess(workbench.compress(model, workbench.Recipe())).compressed.accuracy.value == 3 / 5
    network.insert(0, nn.AdaptiveAvgPool2d((6, 5)))
    with pytest.raises(DataError, match=r"images of shape \(3, 6, 5\), and the network was given .* \(3, 8, 8\)"):
        workbench.Model.from_module(network, torch.zeros(1, 3, 8, 8), folder)
    two = Dataset.from_folder(folder, task="binary")
    assert two.split("test").labels.tolist() == [0, 0, 1, 1, 1]


def test_grey_pictures_have_one_channel_and_three_among_colours(tmp_path: Path) -> None:
    grey = picture(tmp_path / "a" / "1.png", 4, 4)
    picture(tmp_path / "b" / "1.png", 4, 4)
    assert Dataset.from_folder(tmp_path).split("test").images.shape == (2, 1, 4, 4)
    picture(tmp_path / "b" / "2.png", 4, 4, 3)
    images = Dataset.from_folder(tmp_path).split("test").images
    assert images.shape == (3, 3, 4, 4) and (images[0] == grey).all()


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", None), ("jpg", "CMYK"), ("png", "RGBA"), ("gif", "P")])
def test_usual_kinds_of_files_are_what_pillow_makes_of_them(suffix: str, mode: str | None, tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / name / f"1.{suffix}", 8, 6, 3, mode=mode)
    images = Dataset.from_folder(tmp_path).split("test").images
    assert images.shape == (2, 3, 8, 6)
    with Image.open(tmp_path / "a" / f"1.{suffix}") as image:
        assert np.array_equal(images[0], np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_pictures_of_several_sizes_are_brought_to_one_where_it_is_given(tmp_path: Path) -> None:
    plain = np.full((9, 7, 3), 200, np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(plain).save(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "1.png", 5, 6, 3)
    with pytest.raises(
        DataError, match=r"b/1.png has 5 x 6 pixels .* and .*a/1.png 9 x 7 pixels; size=.height, width."
    ):
        Dataset.from_folder(tmp_path)
    images = Dataset.from_folder(tmp_path, size=(3, 4)).split("test").images
    assert images.shape == (2, 3, 3, 4) and (images[0] == 200).all()


def test_folders_that_are_called_as_splits_are_those(tmp_path: Path) -> None:
    wanted = {"train": "train", "val": "validation", "test": "test"}
    for name in wanted:
        for kind in ("a", "b"):
            picture(tmp_path / name / kind / "1.png", 4, 4)
    data = Dataset.from_folder(tmp_path, divide=True)  # they are divided already
    assert data.classes == ("a", "b")
    assert {name: len(data.split(name)) for name in SPLITS if data.has(name)} == dict.fromkeys(wanted.values(), 2)
    twin = tmp_path / "test" / "a" / "1.png"
    (tmp_path / "train" / "b" / "2.png").write_bytes(twin.read_bytes())
    with pytest.raises(DataError, match="is the same picture as .*1.png, and no two splits may share one"):
        Dataset.from_folder(tmp_path)


def test_one_pile_is_divided_by_content(tmp_path: Path) -> None:
    for number in range(60):
        picture(tmp_path / "ab"[number % 2] / f"{number}.png", 4, 4)
    data = Dataset.of(tmp_path, divide=True)
    splits = [data.split(name) for name in SPLITS if data.has(name)]
    assert sum(map(len, splits)) == 60 and len(splits) == 4
    assert len({image.tobytes() for split in splits for image in split.images}) == 60


def broken(folder: Path) -> None:
    (folder / "b" / "2.png").write_bytes(b"no picture")


def cut_off(folder: Path) -> None:
    whole = (folder / "b" / "1.png").read_bytes()
    (folder / "b" / "2.png").write_bytes(whole[: len(whole) // 2])


def deep(folder: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(folder / "b" / "2.png")


def one_class(folder: Path) -> None:
    (folder / "b" / "1.png").rename(folder / "a" / "2.png")
    (folder / "b").rmdir()


def an_empty_class(folder: Path) -> None:
    (folder / "c").mkdir()


def no_test(folder: Path) -> None:
    for name, other in (("a", "train"), ("b", "val")):
        (folder / name).rename(folder / other)


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a broken picture": (broken, "b/2.png is no picture that can be read"),
    "a picture that was cut off": (cut_off, "b/2.png is no picture that can be read"),
    "16 bits": (deep, "b/2.png has more than 8 bits a colour"),
    "one class": (one_class, "one class only, 'a'; the pictures of each class belong into a sub-folder"),
    "an empty class": (an_empty_class, "c holds no pictures"),
    "no test images": (no_test, "has no sub-folder 'test'"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_folder_is_one_sentence(kind: str, tmp_path: Path) -> None:
    spoil, sentence = ODD[kind]
    for name in ("a", "b"):
        picture(tmp_path / name / "1.png", 4, 4)
    spoil(tmp_path)
    with pytest.raises(DataError, match=sentence) as told:
        Dataset.from_folder(tmp_path)
    assert "\n" not in str(told.value)


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    picture(tmp_path / "1.png", 4, 4)
    with pytest.raises(DataError, match="no sub-folders; the pictures of each class belong into a sub-folder"):
        Dataset.from_folder(tmp_path)
    for missing in (tmp_path / "nowhere", tmp_path / "1.png"):
        with pytest.raises(DataError, match="is no folder that can be read"):
            Dataset.from_folder(missing)


@pytest.mark.parametrize("size", [32, (32,), (0, 4), (4.0, 4.0), "4x4"])
def test_a_size_is_two_whole_numbers(size: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be \(height, width\) in pixels, two whole numbers"):
        Dataset.from_folder(tmp_path, size=size)
