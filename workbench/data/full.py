"""The full published training sets: out of a folder of one's own, or fetched on request.

The environment variable WORKBENCH_DATA names a folder that holds `mnist/` and `fashion-mnist/` with the published
files. Where it is not set, `load(name, fetch=True)` downloads the two training files once, checks their SHA-256, and
keeps them in the user's cache folder.

Test, validation and calibration are those of the embedded set. The split "train" is every published training image
whose content is in none of them, so the four stay disjoint whichever release of a set was found: today's Fashion-MNIST,
which is what gets fetched, has another split and a few other images than the early release that is embedded.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.data import datasets, idx
from workbench.data.datasets import Dataset
from workbench.data.sets import SETS
from workbench.data.sets._embedded import Embedded
from workbench.data.split import Split, SplitName
from workbench.errors import DataError

FOLDER_VARIABLE = "WORKBENCH_DATA"
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
HELD_OUT: tuple[SplitName, ...] = ("calibration", "validation", "test")


@dataclass(frozen=True)
class Source:
    """Where the files of a set are published, and the SHA-256 (hex) of each by its name."""

    url: str
    sha256: Mapping[str, str]


def load(name: str, *, fetch: bool = False) -> Dataset:
    """The data set with its full split "train"; the other splits are those of `datasets.load(name)`.

    Nothing is downloaded unless `fetch` is true, no folder is named by WORKBENCH_DATA, and no earlier download is kept.
    Raises `DataError` for an unknown name, where the files are found nowhere, and where one is damaged.
    """
    embedded = datasets.load(name)
    source_of(name)
    folder = _folder(name, fetch)

    def train() -> Split:
        images = idx.read(folder / IMAGES, dimensions=3)
        labels = idx.read(folder / LABELS, dimensions=1)
        if len(images) != len(labels):
            raise DataError(f"{folder}: {len(images):,} training images do not fit {len(labels):,} labels.")
        taken = {image.tobytes() for split in HELD_OUT for image in embedded.split(split).images}
        free = [number for number, image in enumerate(images) if image.tobytes() not in taken]
        return Split("train", images[free][:, None], labels[free])

    def shared(split: SplitName) -> Callable[[], Split]:
        return lambda: embedded.split(split)

    return datasets.described(name, {"train": train, **{split: shared(split) for split in HELD_OUT}})


def _folder(name: str, fetch: bool) -> Path:
    """The folder that holds the two training files of a set."""
    if FOLDER_VARIABLE in os.environ:
        return Path(os.environ[FOLDER_VARIABLE]) / name
    from platformdirs import user_cache_path

    folder = user_cache_path("compression-workbench") / "data" / name
    if fetch:
        download(source_of(name), folder)
    elif not all((folder / file).exists() for file in (IMAGES, LABELS)):
        raise DataError(
            f"The full set of {name} is not here: set {FOLDER_VARIABLE} to a folder that holds {name}/, or load it "
            "with fetch=True."
        )
    return folder


def published(name: str) -> bool:
    """Whether a larger set than the embedded one is published. Raises KeyError for an unknown name."""
    return issubclass(SETS[name], Embedded)


def source_of(name: str) -> Source:
    """Of an embedded set. Raises `DataError` for another one."""
    about = SETS[name]
    if not issubclass(about, Embedded):  # as `published`, which narrows no type
        raise DataError(f"Of {name} there is no larger set than the one that is here.")
    return Source(about.url, about.sha256)


def download(source: Source, folder: Path) -> None:
    """Download the files of a source that the folder does not hold yet.

    Raises `DataError`, naming the address, where a file cannot be fetched or has another SHA-256; that one is not kept.
    """
    import pooch
    from requests import RequestException

    for file, sha256 in source.sha256.items():
        url = source.url + file
        try:
            pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=file, path=folder)
        except ValueError:  # pooch's word for a file whose hash differs
            raise DataError(f"{url}: the file that was fetched has another SHA-256 than the published one.") from None
        except (RequestException, OSError) as error:
            raise DataError(f"{url}: cannot be fetched ({error}).") from error
