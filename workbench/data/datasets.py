"""Data sets in four disjoint splits: train, calibration, validation and test.

Whatever is automatic (early stopping, search, shipped recipes) may look at train, calibration and validation only; the
test images are for the figure that is shown.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data import pictures
from workbench.data.divide import divide
from workbench.data.sets import SETS
from workbench.data.split import SPLITS, Split, SplitName, array
from workbench.errors import DataError
from workbench.names import NAME, is_name
from workbench.tasks import TASKS

Arrays = tuple[NDArray[Any], ...]
_WANTED = "a Dataset, the name of one, a folder of pictures, or (images, labels) to be tested on"


class Dataset:
    """A named data set whose splits are read from disk only when they are asked for, each at most once.

    `classes`: the names of the labels, in order. `title`, `licence`, `source`: what to print beside a result. `task`:
    what its images ask, by its name on the shelf (`workbench.tasks`). `box`: see `DataSource`.
    """

    def __init__(
        self,
        name: str,
        readers: Mapping[SplitName, Callable[[], Split]],
        *,
        title: str = "",
        classes: tuple[str, ...] = (),
        licence: str = "",
        source: str = "",
        task: str = "classification",
        box: int | None = None,
    ) -> None:
        if not is_name(name):
            raise DataError(f"The name of a data set must be {NAME}, not {name!r}.")
        self.name = name
        self.title = title or name
        self.classes = classes
        self.licence = licence
        self.source = source
        if task not in TASKS:
            raise DataError(f"Data set {name} asks for {task!r}, and the tasks are {', '.join(TASKS)}.")
        self.task = task
        self.box = box
        self._readers = dict(readers)
        self._splits: dict[str, Split] = {}

    @classmethod
    def from_arrays(
        cls,
        name: str,
        *,
        test: Arrays,
        validation: Arrays | None = None,
        calibration: Arrays | None = None,
        train: Arrays | None = None,
        classes: tuple[str, ...] = (),
        task: str = "classification",
    ) -> "Dataset":
        """A user's own data: (images, labels) per split, images of any input shape, N first.

        labels: what the task has to be answered (`workbench.tasks`): numbers of classes, yes and no, [N, classes] of
        zeros and ones, [N, numbers]. Of images that are of a class beside that, (images, labels, truth): see `Split`.

        Raises `DataError` where images and labels of a split do not fit each other or the task.
        """
        for split, arrays in (
            ("test", test),
            ("validation", validation),
            ("calibration", calibration),
            ("train", train),
        ):
            if arrays is not None and (not isinstance(arrays, (tuple, list)) or len(arrays) not in (2, 3)):
                raise DataError(f"Split {split}: must be (images, labels), or (images, labels, truth).")
        given = {"test": test, "validation": validation, "calibration": calibration, "train": train}
        dataset = cls(name, {}, classes=classes, task=task)
        dataset._splits = {split: _split(split, task, *arrays) for split, arrays in given.items() if arrays is not None}
        return dataset

    @classmethod
    def of(cls, data: Any, *, task: str | None = None, divide: bool = False) -> "Dataset":
        """One's own data: (images, labels) or a TensorDataset, images of any input shape, N first.

        task: what is asked of the images (`workbench.tasks`), by which labels are read: see `from_arrays`;
        classification where nothing is said. divide: into all four splits, each image by a hash of its content
        (`workbench.data.divide`); else all are test images.

        A data set, or the name of one on the shelf, stands for itself; of a folder see `from_folder`. Raises
        `DataError` for anything else.
        """
        if isinstance(data, os.PathLike) or (isinstance(data, str) and data not in SETS and Path(data).is_dir()):
            return cls.from_folder(data, task=task or "classification", divide=divide)
        if isinstance(data, (Dataset, str)):
            known = load(data) if isinstance(data, str) else data
            if divide or task not in (None, known.task):
                raise DataError(f"Data set {known.name} has its own task ({known.task}) and its own splits.")
            return known
        arrays = getattr(data, "tensors", data)
        if not isinstance(arrays, (tuple, list)) or len(arrays) not in (2, 3):
            raise DataError(f"The data must be {_WANTED}, not {type(data).__name__}{_instead(data)}.")
        dataset = cls.from_arrays("own", test=tuple(arrays), task=task or "classification")
        return dataset._divided() if divide else dataset

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        *,
        size: tuple[int, int] | None = None,
        task: str = "classification",
        divide: bool = False,
    ) -> "Dataset":
        """A folder of pictures with a sub-folder for each class, numbered in the order of their names.

        size: height and width that all are brought to. What lies in sub-folders named train, validation, calibration
        and test is that split; else all are test images, unless divide is true: see `of`, and `workbench.data.pictures`
        for what is read and how. Raises DataError, naming the folder or file, for what cannot be.
        """
        splits, classes = pictures.read(Path(folder), size)
        dataset = cls.from_arrays(Path(folder).resolve().name, classes=classes, task=task, **splits)
        return dataset._divided() if divide and len(splits) == 1 else dataset

    def _divided(self) -> "Dataset":
        """With its test images divided into the four splits. Raises DataError where there are too few for that."""
        whole = self.split("test")
        parts = divide(whole.images)
        if "test" not in parts:
            raise DataError(f"{self.name}: {len(whole)} images are too few to be divided; bring each split apart.")
        dataset = Dataset(self.name, {}, classes=self.classes, task=self.task)
        dataset._splits = {name: whole.some(numbers, name) for name, numbers in parts.items()}
        return dataset

    def has(self, name: SplitName) -> bool:
        """Whether there is such a split."""
        return name in self._splits or name in self._readers

    def check(
        self, input_shape: tuple[int, ...], outputs: tuple[int, ...] | None, whole: bool = False, last: str = ""
    ) -> None:
        """Raises DataError where a network of that input and these outputs (images first) cannot be judged by it.

        whole: whether it takes whole numbers. last: the operator that gives its outputs. What is looked at are the test
        images and the splits that are in memory.
        """
        first = {"test": self.split("test")} if self.has("test") else {}
        for split in {**first, **self._splits}.values():
            if split.images.shape[1:] != input_shape:
                images = f"Split {split.name} of {self.name} has images of shape {split.images.shape[1:]}"
                other = f"and the network was given an example of shape {input_shape}"
                raise DataError(f"{images}, {other}{_shaped(split.images.shape, input_shape)}.")
            if whole and (split.images.dtype == np.uint8 or (split.images % 1).any()):
                given = "bytes, which stand for 0 to 1" if split.images.dtype == np.uint8 else "fractions"
                raise DataError(f"Split {split.name} of {self.name} has {given}, and the network takes whole numbers.")
            if outputs is not None:
                TASKS[self.task].check(outputs, split.truth, last)

    def split(self, name: SplitName) -> Split:
        """One split, the same object at every call. Raises `DataError` for a split that this set does not have."""
        if name not in self._splits:
            if name not in self._readers:
                known = ", ".join(split for split in SPLITS if split in self._splits or split in self._readers)
                raise DataError(f"Data set {self.name} has no split {name!r}; it has: {known}.")
            self._splits[name] = self._readers[name]()
        return self._splits[name]

    def judging_by(self, name: SplitName) -> "Dataset":
        """The same data with the images of that split in the place of its test images, which are then not in it.

        So that what chooses among recipes measures them as ever and looks at no test image. The split keeps its name.
        Raises `DataError` where there is no such split.
        """
        if name == "test":
            return self
        self.split(name)
        kept: tuple[SplitName, ...] = tuple(one for one in SPLITS if one != "test" and self.has(one))
        readers: dict[SplitName, Callable[[], Split]] = {one: partial(self.split, one) for one in kept}
        readers["test"] = partial(self.split, name)
        return Dataset(
            self.name, readers, title=self.title, classes=self.classes, licence=self.licence, source=self.source,
            task=self.task,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"


def _split(name: str, task: str, images: Any, labels: Any, truth: Any = None) -> Split:
    """Of what a user brings: `labels` is what the task has to be answered, unless that stands apart, in `truth`."""
    asked, images, labels = TASKS[task], array(name, "images", images), array(name, "labels", labels)
    if truth is None and not asked.labelled:
        labels, truth = np.zeros(labels.shape[:1], np.int64), labels
    try:
        if images.shape[:1] == (0,):
            raise DataError("holds no images.")
        if truth is None:
            labels = asked.accepted(labels)
        else:
            truth = asked.accepted(array(name, "truth", truth))
    except DataError as error:
        raise DataError(f"Split {name}: {error}") from error
    return Split(name, images, labels, truth)


def _instead(data: Any) -> str:
    """How to make arrays of what yields them one by one."""
    if isinstance(data, (tuple, list, dict)) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        return ""
    return "; images, labels = map(torch.cat, zip(*loader)) reads the batches of a DataLoader into two tensors"


def _shaped(images: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What images of another shape than one takes want, where it is one of the usual things."""
    given = images[1:]
    if images == wanted:
        return "; of one image a batch is made by images[None]"
    if (1, *given) == wanted:
        return "; images[:, None] gives them their one channel"
    if len(given) > 1 and (given[-1], *given[:-1]) == wanted:
        return "; channels come first here, as np.moveaxis(images, -1, 1) puts them"
    return ""


_loaded: dict[str, Dataset] = {}


@cache
def names() -> list[str]:
    """The names of the data sets on the shelf, in the order in which they are shown."""
    return sorted(SETS, key=lambda name: (SETS.facts(name).get("place", 100), name))


def load(name: str) -> Dataset:
    """A data set of the shelf, the same object at every call; its images are read when a split is asked for.

    Raises `DataError` for an unknown name, naming the known ones.
    """
    if name not in SETS:
        raise DataError(f"There is no data set {name!r}; the known ones are: {', '.join(names())}.")
    if name not in _loaded:
        _loaded[name] = described(name, SETS[name].splits())
    return _loaded[name]


def described(name: str, readers: Mapping[SplitName, Callable[[], Split]]) -> Dataset:
    """The data set of that name on the shelf with the given readers (its own, or those of the full set)."""
    about = SETS[name]
    return Dataset(
        name, readers, title=about.title, classes=about.classes, licence=about.licence, source=about.source,
        task=about.task, box=about.box,
    )  # fmt: skip
