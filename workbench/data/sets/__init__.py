"""Data sets by name: one a file, found on the shelf; listing them reads no image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from workbench.data.split import Split, SplitName
from workbench.shelf import Shelf


class DataSource(ABC):
    """Where the images of a data set come from. Subclasses: one a file in `workbench/data/sets`, named by its path.

    title, licence, source: what to print beside a result. classes: the names of the labels, in order. task: name of
    what its images ask (`workbench.tasks`). box: side of the square, in pixels, that what is on an image was brought
    to before its centre of mass was put in the middle; None where that was not done. place: where it stands in lists;
    of two with the same, the names decide.
    """

    title: ClassVar[str]
    classes: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str] = ""
    source: ClassVar[str] = ""
    task: ClassVar[str] = "classification"
    box: ClassVar[int | None] = None
    place: ClassVar[int] = 100
    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    @classmethod
    @abstractmethod
    def splits(cls) -> Mapping[SplitName, Callable[[], Split]]:
        """What reads each split, called once and when it is asked for. A network is judged by "test".

        No image may be in two of them. Readers raise `DataError` for what is missing or damaged.
        """


SETS: Shelf[DataSource] = Shelf("workbench.data.sets", DataSource)  # type: ignore[type-abstract]
