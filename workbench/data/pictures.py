"""Folders of pictures as arrays: one sub-folder a class, numbered in the order of their names.

Pictures are read by Pillow, as torchvision's ImageFolder does, and not turned by what a camera says of itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.split import SPLITS, SplitName
from workbench.errors import DataError, reason

Size = tuple[int, int]

_HOMES: dict[str, SplitName] = {**{name: name for name in SPLITS}, "val": "validation"}
_GREY = ("1", "L", "LA")  # Pillow's modes
_DEEP = ("I", "F")  # how those begin that have more than 8 bits a colour


@dataclass(frozen=True, eq=False)
class _Picture:
    """image: uint8, [height, width] or [height, width, 3]."""

    file: Path
    split: SplitName
    label: int
    image: NDArray[np.uint8]


def read(folder: Path, size: Size | None = None) -> tuple[dict[str, tuple[NDArray[Any], ...]], tuple[str, ...]]:
    """Split -> (images, labels), and the names of the classes.

    Where all sub-folders are called as splits are (train, validation or val, calibration, test), each is that one; else
    they are classes, and all pictures are the split "test". images: uint8 [N, 1, height, width] where all are grey,
    else [N, 3, height, width], without transparency. size: height and width to which they are brought, bilinear, each
    side on its own; without it they must be of one size.

    Raises DataError, naming the folder or file, where there are no two classes, where a picture cannot be read, has
    more than 8 bits a colour or another size than the others, and where two splits share one.
    """
    if size is not None and not _is_size(size):
        raise DataError(f"The size must be (height, width) in pixels, two whole numbers, not {size!r}.")
    inner = _inner(folder)
    homes: dict[SplitName, Path] = {"test": folder}
    if inner and {one.name for one in inner} <= set(_HOMES):
        homes = {_HOMES[one.name]: one for one in inner}
    if "test" not in homes:
        raise DataError(f"{folder} has no sub-folder 'test', by whose pictures the network would be judged.")
    classes = sorted({one.name for home in homes.values() for one in _inner(home)})
    if len(classes) < 2:
        said = f"one class only, {classes[0]!r}" if classes else "no sub-folders"
        raise DataError(f"{folder} has {said}; the pictures of each class belong into a sub-folder of their own.")
    pictures = list(_pictures(homes, classes, size))
    colour = any(one.image.ndim == 3 for one in pictures)
    splits: dict[str, tuple[NDArray[Any], ...]] = {}
    for name in homes:
        chosen = [one for one in pictures if one.split == name]
        labels = np.array([one.label for one in chosen], np.int64)
        splits[str(name)] = np.stack([_channels(one.image, colour) for one in chosen]), labels
    return splits, tuple(classes)


def _is_size(size: Any) -> bool:
    return isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)


def _inner(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} is no folder that can be read ({error.strerror}).") from error


def _pictures(homes: dict[SplitName, Path], classes: list[str], size: Size | None) -> Iterator[_Picture]:
    first: _Picture | None = None
    seen: dict[bytes, _Picture] = {}
    for split, home in homes.items():
        for label, name in enumerate(classes):
            for file in _files(home / name):
                picture = _Picture(file, split, label, _image(file, size))
                first = first or picture
                if picture.image.shape[:2] != first.image.shape[:2]:
                    ours, theirs = ("{} x {} pixels".format(*one.image.shape[:2]) for one in (picture, first))
                    other = f"{file} has {ours} (height x width) and {first.file} {theirs}"
                    raise DataError(f"{other}; size=(height, width) brings all to one.")
                twin = seen.setdefault(hashlib.sha256(picture.image.tobytes()).digest(), picture)
                if twin.split != split:
                    raise DataError(f"{file} is the same picture as {twin.file}, and no two splits may share one.")
                yield picture


def _files(folder: Path) -> list[Path]:
    """Whatever else lies there is passed over by its suffix."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    files = sorted(
        file for file in folder.rglob("*") if file.suffix.lower() in suffixes and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"{folder} holds no pictures.")
    return files


def _image(file: Path, size: Size | None) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(file) as picture:
            mode = picture.mode
            plain = picture.convert("L" if mode in _GREY or mode.startswith(_DEEP) else "RGB")
        if size is not None:
            plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        image = np.asarray(plain)
    except Exception as error:  # a damaged file may fail in any way
        raise DataError(f"{file} is no picture that can be read ({reason(error)}).") from error
    if mode.startswith(_DEEP):
        raise DataError(f"{file} has more than 8 bits a colour (Pillow's mode {mode}), which would be cut off.")
    return image


def _channels(image: NDArray[np.uint8], colour: bool) -> NDArray[np.uint8]:
    """[channels, height, width]; a grey one among colours has the same three times."""
    return image.transpose(2, 0, 1) if image.ndim == 3 else np.repeat(image[None], 3 if colour else 1, axis=0)
