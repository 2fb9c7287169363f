"""Turns: of all the processes of a server, only so many work at a time at what can wait.

The costs of a move never wait. What follows them does, images that are run on every processor, and so does what nobody
has asked for: where several processes are at that, each move takes as many times as long to be answered, and the
threads of one wait busily for others that do not run.

A process has a turn while it holds the lock on a file in the server's folder, and has it no longer when it has ended,
however that was. Whoever waits for one that somebody has asked for holds a share of a further lock, so that the others
know. Without a server, or a system that locks files, it is always one's turn.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE = "WORKBENCH_TURNS"
LOOKS = 0.005  # seconds between two looks of one that waits
_SLICE = 0.1  # seconds after which a turn is passed on where others wait
_PATIENCE = 5.0  # seconds after which one goes without: whoever has the turn may be held up for good
_PROCESSORS = 4  # that one process makes good use of while it runs images


def begin(processors: int | None = None) -> Path:
    """In a server: have the processes that it starts from now on take turns. The folder, which is gone with the server.

    processors: that they share; by default the machine's.
    """
    folder = Path(tempfile.mkdtemp(prefix="workbench-turns-"))  # which is its owner's alone
    for number in range(max(1, (processors or os.cpu_count() or 1) // _PROCESSORS)):
        (folder / f"turn-{number}").touch()
    (folder / "waiting").touch()
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Turn:
    """One of those who take turns, or wait for theirs. For one thread."""

    def __init__(self) -> None:
        folder = os.environ.get(VARIABLE, "")
        self._files: list[BinaryIO] = []
        self._waiting: BinaryIO | None = None
        if folder and fcntl is not None and Path(folder).is_dir():
            self._files = [path.open("rb") for path in sorted(Path(folder).glob("turn-*"))]
            self._waiting = (Path(folder) / "waiting").open("rb")
        self._held: BinaryIO | None = None
        self._since = 0.0  # when it was taken
        self._asked: float | None = None  # since when it is waited for

    def take(self, asked: bool) -> bool:
        """Whether it is this one's turn now; it is kept until it is passed on.

        asked: whether somebody has asked for what it is taken for. Such ones go first, and do not wait for ever.
        """
        if self._waiting is None or self._held is not None:
            return True
        if not asked and self.others_wait:
            return False
        self._held = next((file for file in self._files if _lock(file, fcntl.LOCK_EX)), None)
        if self._held is not None:
            self._since = perf_counter()
            self._wait_no_more(self._waiting)
        elif asked:
            self._asked = self._asked or perf_counter()
            _lock(self._waiting, fcntl.LOCK_SH)
        return self._held is not None or (self._asked is not None and perf_counter() - self._asked > _PATIENCE)

    def wait(self, given_up: Callable[[], bool]) -> bool:
        """Take it as soon as possible. False, and nothing taken, where `given_up` says so before."""
        while not self.take(asked=True):
            if given_up():
                self.pass_on()
                return False
            sleep(LOOKS)
        return True

    def go_on(self, given_up: Callable[[], bool]) -> bool:
        """Keep it, unless others have waited for long: then let them go first, and `wait` for it anew."""
        if self._held is None or perf_counter() - self._since < _SLICE or not self.others_wait:
            return True
        self.pass_on()
        sleep(2 * LOOKS)
        return self.wait(given_up)

    def pass_on(self) -> None:
        """Leave it to others, or wait for it no longer."""
        if self._waiting is None:
            return
        self._wait_no_more(self._waiting)
        if self._held is not None:
            fcntl.flock(self._held, fcntl.LOCK_UN)
            self._held = None

    @property
    def others_wait(self) -> bool:
        """Whether others wait for a turn that somebody has asked for."""
        if self._waiting is None or not _lock(self._waiting, fcntl.LOCK_EX):
            return self._waiting is not None
        fcntl.flock(self._waiting, fcntl.LOCK_UN)
        return False

    def _wait_no_more(self, waiting: BinaryIO) -> None:
        self._asked = None
        fcntl.flock(waiting, fcntl.LOCK_UN)


def _lock(file: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
