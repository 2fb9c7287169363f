"""Writing a file so that a reader, or a crash, meets the old content or the new, and nothing between."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import WorkbenchError


def replace(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write `pieces` one after another: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises WorkbenchError naming the file where it cannot be written; what was there before is then still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _keep_name(path.parent)
    except OSError as error:
        raise WorkbenchError(f"{path} cannot be written: {error.strerror}.") from error


def _keep_name(folder: Path) -> None:
    """Make the rename last through a power cut; only POSIX systems let a folder be synchronised."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
