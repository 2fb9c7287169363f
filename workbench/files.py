"""Writing a file so that a reader, or a crash, meets the old content or the new, and nothing between.

A process that is killed leaves its temporary file. Whoever writes holds a lock on its own, so the next one to write
into the folder knows which are left over, and clears them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from workbench.errors import WorkbenchError

try:
    import fcntl
except ImportError:  # Windows, which deletes no file that is open
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".cwb-", ".tmp"  # short, whatever the file's own name: a name has 255 bytes at most

Pieces = Iterable[bytes | memoryview]


def replace(path: Path, pieces: Pieces) -> None:
    """Write `pieces` one after another, as `write` does. Raises WorkbenchError naming the file where that fails."""
    try:
        write(path, pieces)
    except OSError as error:
        raise WorkbenchError(f"{path} cannot be written: {error.strerror}.") from error
    except ValueError as error:  # of a name with a zero byte, or with half of a surrogate pair
        raise WorkbenchError(f"{str(path)!r} cannot be written: {error}.") from error


def write(path: Path, pieces: Pieces, *, lasts: bool = True) -> None:
    """Temporary file in the same folder, fsync, rename, fsync of the folder.

    A link stays a link, and what it leads to is written; a file that is there keeps its mode. lasts: whether it must
    outlive a power cut; else nothing waits for the disk, and whoever reads it must be able to tell whether it is whole.
    Raises OSError where it cannot be written, or is no regular file; what was there before is then still there.
    """
    path = Path(os.path.realpath(path))
    mode = _mode(path)
    with _temporary(path.parent) as (temporary, file):
        if mode is not None:
            temporary.chmod(mode)
        for piece in pieces:
            file.write(piece)
        file.flush()
        if lasts:
            os.fsync(file.fileno())
        if fcntl is None:
            file.close()  # Windows renames no file that is open
        temporary.replace(path)
    if lasts:
        _keep_name(path.parent)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file that nobody else takes for left over; gone afterwards, unless it was renamed."""
    _clear(folder)
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        try:
            with path.open("xb") as file:
                if fcntl is not None:
                    with contextlib.suppress(OSError):  # of a file system without locks
                        fcntl.flock(file, fcntl.LOCK_EX)
                if path.exists():  # else somebody cleared it before it was locked
                    yield path, file
                    return
        finally:
            path.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Delete the temporary files of processes that have ended."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # it is being written, or somebody else's
            if fcntl is not None and not _left_over(path):
                continue
            path.unlink()


def _left_over(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return stat.S_ISREG(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def _mode(path: Path) -> int | None:
    """The rights of the file that is there; None where there is none. A device or a pipe would be lost by a rename."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return stat.S_IMODE(found)


def _keep_name(folder: Path) -> None:
    """Make the rename last through a power cut; only POSIX systems let a folder be synchronised."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
