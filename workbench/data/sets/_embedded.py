"""Sets whose splits lie in `workbench/data/embedded`, drawn from a published set by `workbench.data.embed`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from workbench.data import idx
from workbench.data.sets import DataSource
from workbench.data.split import SPLITS, Split, SplitName

EMBEDDED = Path(__file__).parents[1] / "embedded"


class Embedded(DataSource, ABC):
    """url: where the published files are. sha256: (hex) of each training file by its name."""

    url: ClassVar[str]
    sha256: ClassVar[Mapping[str, str]]

    @classmethod
    def splits(cls) -> Mapping[SplitName, Callable[[], Split]]:
        return {split: partial(_read, EMBEDDED / cls.name, split) for split in SPLITS}


def _read(folder: Path, split: SplitName) -> Split:
    images = idx.read(folder / f"{split}-images-idx3-ubyte.gz", dimensions=3)
    labels = idx.read(folder / f"{split}-labels-idx1-ubyte.gz", dimensions=1)
    return Split(split, images[:, None], labels)
