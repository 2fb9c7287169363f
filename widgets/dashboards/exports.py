"""Files that a kernel hands to the server it runs under, each under an address that nobody can guess.

The server names a folder of its own to its kernels in an environment variable and deletes it at its end. Each kernel
has a folder in it by the number of its process, which it deletes at its own end; what a killed one has left goes when
another kernel puts something there.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from workbench.errors import WorkbenchError

VARIABLE = "WORKBENCH_EXPORTS"
TOKEN = r"[A-Za-z0-9_-]{43}"  # of 256 random bits
LARGEST = 2**28  # bytes of a file
MOST = 4  # files of one kernel; the oldest go


def begin() -> Path:
    """In a server: a new folder for the kernels that it starts from now on; gone with the server."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-exports-"))  # which is its owner's alone
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def put(files: Mapping[str, bytes]) -> dict[str, str]:
    """In a kernel: have the server serve these files, by name, until newer ones take their place. Name -> token.

    Raises WorkbenchError where no server takes them, or where one is too large.
    """
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise WorkbenchError("The server of this page shows no files: it is not one of the workbench's own.")
    for name, content in files.items():
        if len(content) > LARGEST:
            raise WorkbenchError(f"{name} has {len(content):,} bytes, of which {LARGEST:,} can be shown at most.")
    _clear(Path(folder))
    own = Path(folder) / str(os.getpid())
    if not own.exists():
        own.mkdir(mode=0o700)
        atexit.register(shutil.rmtree, own, ignore_errors=True)
    older = sorted(own.iterdir(), key=lambda one: one.stat().st_mtime_ns)
    for one in older[: max(0, len(older) + len(files) - MOST)]:
        shutil.rmtree(one)
    tokens = {}
    for name, content in files.items():
        tokens[name] = secrets.token_urlsafe(32)
        (own / tokens[name]).mkdir(mode=0o700)
        (own / tokens[name] / name).write_bytes(content)
    return tokens


def find(token: str) -> Path | None:
    """In a server: the file under this token; None where there is none, or no longer."""
    folder = os.environ.get(VARIABLE, "")
    if not folder or not re.fullmatch(TOKEN, token):
        return None
    return next((path for path in Path(folder).glob(f"*/{token}/*") if path.is_file()), None)


def _clear(folder: Path) -> None:
    for one in folder.iterdir():
        if one.name.isdecimal() and not psutil.pid_exists(int(one.name)):
            shutil.rmtree(one, ignore_errors=True)
