"""Results of jobs on disk: what a training gave, under the digest of everything that it follows from.

A result is one packed file, which appears whole or not at all; whatever ends the process that makes it, the Store holds
the old result or the new one. Its results take `CEILING` bytes at most: beyond that, those that nobody has used for the
longest time go, but none that a living process has found. A process keeps a list of these beside the results, with a
lock on it that ends with the process.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TextIO

from platformdirs import user_data_path

from workbench.errors import WorkbenchError
from workbench.files import replace

VARIABLE = "WORKBENCH_STORE"
CEILING = 4_000_000_000  # bytes of results; LeNet-5 trained at 4 bits has 40,000, ResNet-8 300,000
_AGAIN = 60.0  # seconds after which a use is written down again


class Store:
    """A folder of results, by key: hexadecimal digests. Several processes may use it at once."""

    def __init__(self, folder: Path, ceiling: int = CEILING) -> None:
        """ceiling: bytes that the results may take."""
        self.folder, self._ceiling = folder, ceiling

    @classmethod
    def default(cls) -> Store:
        """The user's own, or the folder that the environment variable WORKBENCH_STORE names."""
        named = os.environ.get(VARIABLE)
        return cls(Path(named) if named else user_data_path("compression-workbench", appauthor=False) / "results")

    def find(self, key: str) -> Path | None:
        """The file of a result; None where there is none."""
        path = self._path(key)
        if not path.is_file():
            return None
        return path if _use(path) else None

    def place(self, key: str) -> Path:
        """Where the result is to be written. Raises WorkbenchError where nothing can be."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WorkbenchError(f"The folder of results {self.folder} cannot be made: {error.strerror}.") from error
        if not os.access(self.folder, os.W_OK):
            raise WorkbenchError(f"The folder of results {self.folder} cannot be written to.")
        return self._path(key)

    def note(self, key: str, facts: dict[str, Any]) -> None:
        """Keep facts about a result. Raises WorkbenchError where that cannot be done."""
        replace(self.place(key).with_suffix(".json"), [json.dumps(facts, indent=1).encode()])

    def noted(self, key: str) -> dict[str, Any]:
        """The facts that were kept about a result; none where there are none that can be read."""
        try:
            found = json.loads(self._path(key).with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def make_room(self) -> None:
        """Take out results that nobody uses, those used longest ago first, until the others are within the ceiling.

        What cannot be deleted, or is in use, stays, even where it is too much.
        """
        with suppress(OSError), _alone(self.folder / _USED, fcntl.LOCK_EX):
            kept = {path: path.stat() for path in self.folder.glob("*.cwb")}
            taken = sum(stat.st_size for stat in kept.values())
            in_use = _in_use(self.folder / _USED)
            for path in sorted(kept, key=lambda one: kept[one].st_atime_ns):
                if taken <= self._ceiling:
                    break
                if path.stem not in in_use:
                    self.forget(path.stem)
                    taken -= kept[path].st_size

    def forget(self, key: str) -> None:
        """Take a result out, if there is one."""
        self._path(key).unlink(missing_ok=True)
        self._path(key).with_suffix(".json").unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not key or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"A key is a hexadecimal digest, not {key!r}.")
        return self.folder / f"{key}.cwb"


_USED = (
    "used"  # the folder of lists of what living processes use, and of the lock under which they are read and written
)
_lists: dict[tuple[int, Path], TextIO] = {}  # by process and folder; each is locked until the process ends
_uses: dict[tuple[int, Path], float] = {}  # when this process used a result last, as it wrote that down
_guard = Lock()


def _use(path: Path) -> bool:
    """Write down that this process uses a result, and when, where that can be done; whether it is there still."""
    own = os.getpid(), path
    with _guard, suppress(OSError):
        now = time.monotonic()
        if own not in _uses:
            with _alone(path.parent / _USED, fcntl.LOCK_SH):
                if path.is_file():
                    file = _list(path.parent)
                    file.write(f"{path.stem}\n")
                    file.flush()
        elif now < _uses[own] + _AGAIN:
            return True
        _uses[own] = now
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))  # the time of writing says which result it is
    return path.is_file()


@contextmanager
def _alone(folder: Path, how: int) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


def _list(folder: Path) -> TextIO:
    own = os.getpid(), folder
    if own not in _lists:
        path = folder / _USED / f"{secrets.token_hex(8)}.list"
        file = path.open("w", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX)
        atexit.register(_leave, os.getpid(), path)
        _lists[own] = file
    return _lists[own]


def _leave(process: int, path: Path) -> None:
    if os.getpid() == process:  # and none that was forked from it
        path.unlink(missing_ok=True)


def _in_use(folder: Path) -> set[str]:
    """Keys that living processes have found; the lists of others go."""
    found: set[str] = set()
    for path in folder.glob("*.list"):
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.update(file.read().split())
            else:
                path.unlink(missing_ok=True)
    return found
