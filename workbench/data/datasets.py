"""Data sets in four disjoint splits: train, calibration, validation and test.

Whatever is automatic (early stopping, search, shipped recipes) may look at train, calibration and validation only; the
test images are for the figure that is shown.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.data import idx
from workbench.errors import DataError

if TYPE_CHECKING:
    import torch

SplitName = Literal["train", "calibration", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, in one fixed order.

    `images`: unsigned bytes (grey values 0-255, N x 1 x 28 x 28 in the embedded sets) or any other numbers, which are
    kept as float32 of any input shape, N first. `labels`: int64, from 0, one per image. Both are read-only.
    Two splits are equal only where they are the same object; compare `digest` for their content.
    Raises `DataError`, naming the split, where the two do not fit each other.
    """

    name: str
    images: NDArray[Any]
    labels: NDArray[Any]

    def __post_init__(self) -> None:
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        if images.dtype != np.uint8:
            if images.dtype.kind not in "fiu":
                raise DataError(f"Split {self.name}: images must be numbers, and these are {images.dtype}.")
            images = images.astype(np.float32)
            if not np.isfinite(images).all():
                raise DataError(f"Split {self.name}: images hold values that are not finite.")
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(f"Split {self.name}: labels must be one list of whole numbers.")
        if images.ndim < 2 or len(images) != len(labels):
            raise DataError(f"Split {self.name}: {len(labels):,} labels do not fit images of shape {images.shape}.")
        if len(images) == 0:
            raise DataError(f"Split {self.name}: holds no images.")
        if labels.min() < 0:
            raise DataError(f"Split {self.name}: labels must be 0 or more.")
        object.__setattr__(self, "images", _frozen(images))
        object.__setattr__(self, "labels", _frozen(labels.astype(np.int64)))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the images' type and shape, the images and the labels."""
        sha = hashlib.sha256(f"{self.images.dtype.name} {self.images.shape}\n".encode())
        sha.update(np.ascontiguousarray(self.images).data)
        sha.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return sha.hexdigest()

    def inputs(self, which: "slice | NDArray[np.int64]" = slice(None)) -> "torch.Tensor":
        """Some of the images as a new float32 tensor; grey values 0-255 become 0..1, floats stay as they are."""
        import torch

        images = self.images[which]
        if images.dtype == np.uint8:
            return torch.from_numpy(images.astype(np.float32)).div_(255.0)
        return torch.from_numpy(images.copy())

    def targets(self) -> "torch.Tensor":
        """The labels as a new int64 tensor of shape (N,)."""
        import torch

        return torch.from_numpy(self.labels.copy())


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, read-only; copied where somebody else could still change them."""
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values


class Dataset:
    """A named data set whose splits are read from disk only when they are asked for, each at most once.

    `classes`: the names of the labels, in order. `title`, `licence`, `source`: what to print beside a result.
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
    ) -> None:
        self.name = name
        self.title = title or name
        self.classes = classes
        self.licence = licence
        self.source = source
        self._readers = dict(readers)
        self._splits: dict[str, Split] = {}

    @classmethod
    def from_arrays(
        cls,
        name: str,
        *,
        test: tuple[NDArray[Any], NDArray[Any]],
        validation: tuple[NDArray[Any], NDArray[Any]] | None = None,
        calibration: tuple[NDArray[Any], NDArray[Any]] | None = None,
        train: tuple[NDArray[Any], NDArray[Any]] | None = None,
        classes: tuple[str, ...] = (),
    ) -> "Dataset":
        """A user's own data: (images, labels) per split, images of any input shape, N first.

        Raises `DataError` where images and labels of a split do not fit.
        """
        given = {"test": test, "validation": validation, "calibration": calibration, "train": train}
        dataset = cls(name, {}, classes=classes)
        dataset._splits = {split: Split(split, *arrays) for split, arrays in given.items() if arrays is not None}
        return dataset

    def has(self, name: SplitName) -> bool:
        """Whether there is such a split."""
        return name in self._splits or name in self._readers

    def split(self, name: SplitName) -> Split:
        """One split, the same object at every call. Raises `DataError` for a split that this set does not have."""
        if name not in self._splits:
            if name not in self._readers:
                known = ", ".join(split for split in SPLITS if split in self._splits or split in self._readers)
                raise DataError(f"Data set {self.name} has no split {name!r}; it has: {known}.")
            self._splits[name] = self._readers[name]()
        return self._splits[name]

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"


@dataclass(frozen=True)
class _Published:
    """What is known of an embedded set besides its images."""

    title: str
    classes: tuple[str, ...]
    licence: str
    source: str


_PUBLISHED = {
    "mnist": _Published(
        title="MNIST",
        classes=tuple("0123456789"),
        licence="CC BY-SA 3.0",
        source="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
    ),
    "fashion-mnist": _Published(
        title="Fashion-MNIST (early release, own split)",
        classes=(
            "T-shirt/top",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        licence="MIT",
        source="H. Xiao, K. Rasul, R. Vollgraf (Zalando Research), arXiv 1708.07747",
    ),
}

_loaded: dict[str, Dataset] = {}


def names() -> list[str]:
    """The names of the embedded data sets."""
    return list(_PUBLISHED)


def load(name: str) -> Dataset:
    """An embedded data set, the same object at every call; its images are read when a split is asked for.

    Raises `DataError` for an unknown name, naming the known ones.
    """
    if name not in _PUBLISHED:
        raise DataError(f"There is no data set {name!r}; the known ones are: {', '.join(_PUBLISHED)}.")
    if name not in _loaded:
        _loaded[name] = published(name, {split: _reader(name, split) for split in SPLITS})
    return _loaded[name]


def published(name: str, readers: Mapping[SplitName, Callable[[], Split]]) -> Dataset:
    """A data set of a published name with the given readers (the embedded ones, or those of the full set)."""
    about = _PUBLISHED[name]
    return Dataset(
        name,
        readers,
        title=about.title,
        classes=about.classes,
        licence=about.licence,
        source=about.source,
    )


def _reader(name: str, split: SplitName) -> Callable[[], Split]:
    def read() -> Split:
        folder = EMBEDDED / name
        images = idx.read(folder / f"{split}-images-idx3-ubyte.gz", dimensions=3)
        labels = idx.read(folder / f"{split}-labels-idx1-ubyte.gz", dimensions=1)
        return Split(split, images[:, None], labels)

    return read
