"""One part of a data set: images in one fixed order, with what is to be answered for each."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError, reason

if TYPE_CHECKING:
    import torch

SplitName = Literal["train", "calibration", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
LARGEST_LABEL = 2**24 - 1  # each class up to the largest label is counted


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, in one fixed order.

    `images`: unsigned bytes (grey values 0-255, N x 1 x 28 x 28 in the embedded sets) or any other numbers, which are
    kept as float32 of any input shape, N first. `labels`: int64, from 0, one per image: what the image is of. `truth`:
    what is to be answered for each image, float32, N first; the labels where nothing is given. All are read-only.
    Two splits are equal only where they are the same object; compare `digest` for their content.
    Raises `DataError`, naming the split, where they do not fit each other.
    """

    name: str
    images: NDArray[Any]
    labels: NDArray[Any]
    truth: NDArray[Any] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        images, labels = (array(self.name, what, getattr(self, what)) for what in ("images", "labels"))
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
        if labels.min() < 0 or labels.max() > LARGEST_LABEL:
            raise DataError(f"Split {self.name}: labels must be numbers of classes, from 0 to {LARGEST_LABEL:,}.")
        object.__setattr__(self, "images", _frozen(images))
        object.__setattr__(self, "labels", _frozen(labels.astype(np.int64)))
        object.__setattr__(self, "truth", self.labels if self.truth is None else self._truth())

    def _truth(self) -> NDArray[Any]:
        truth = array(self.name, "truth", self.truth)
        if (
            truth.dtype.kind not in "fiu"
            or truth.ndim == 0
            or len(truth) != len(self.images)
            or not np.isfinite(truth).all()
        ):
            raise DataError(f"Split {self.name}: what is to be answered must be one row of finite numbers an image.")
        return _frozen(truth.astype(np.float32))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the images' type and shape, the images, the labels, and the truth where it is another."""
        sha = hashlib.sha256(f"{self.images.dtype.name} {self.images.shape}\n".encode())
        sha.update(np.ascontiguousarray(self.images).data)
        sha.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        if self.truth is not self.labels:
            sha.update(np.ascontiguousarray(self.truth, dtype="<f4").data)
        return sha.hexdigest()

    def some(self, which: NDArray[np.int64], name: str = "") -> "Split":
        """The images of these numbers, as a split of that name, its own by default."""
        truth = None if self.truth is self.labels else self.truth[which]
        return Split(name or self.name, self.images[which], self.labels[which], truth)  # type: ignore[arg-type]

    def inputs(self, which: "slice | NDArray[np.int64]" = slice(None)) -> "torch.Tensor":
        """Some of the images as a new float32 tensor; grey values 0-255 become 0..1, floats stay as they are."""
        import torch

        images = self.images[which]
        if images.dtype == np.uint8:
            return torch.from_numpy(images.astype(np.float32)).div_(255.0)
        return torch.from_numpy(images.copy())

    def targets(self) -> "torch.Tensor":
        """What is to be answered, as a new tensor: the labels, int64 of shape (N,), or the float32 truth."""
        import torch

        return torch.from_numpy(self.truth.copy())


def array(split: str, what: str, values: Any) -> NDArray[Any]:
    """What a user gave as the images, labels or truth of a split, as an array.

    Also of torch's tensors, whose half-precision types numpy does not know, and of lists of them. Raises DataError for
    what is none.
    """
    try:
        if isinstance(values, (list, tuple)) and any(hasattr(one, "detach") for one in values):
            return np.stack([_numbers(one) for one in values])
        return _numbers(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"Split {split}: its {what} are no array of numbers ({reason(error)}).") from error


def _numbers(values: Any) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    return np.asarray(values)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, read-only; copied where somebody else could still change them."""
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values
