"""Writing a file so that a reader, or a crash, meets the old content or the new, and nothing between."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import WorkbenchError


def replace(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write `pieces` one after another: temporary file in the same folder, fsync, rename, fsync of the folder.

    A link stays a link, and what it leads to is written; a file that is there keeps its mode.
    Raises WorkbenchError naming the file where it cannot be written, or is no regular file; what was there before is
    then still there.
    """
    named = path
    try:
        path = Path(os.path.realpath(named))
        mode = _mode(path)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as file:
                if mode is not None:
                    temporary.chmod(mode)
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _keep_name(path.parent)
    except OSError as error:
        raise WorkbenchError(f"{named} cannot be written: {error.strerror}.") from error
    except ValueError as error:  # of a name with a zero byte
        raise WorkbenchError(f"{str(named)!r} cannot be written: {error}.") from error


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
