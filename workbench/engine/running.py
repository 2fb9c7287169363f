"""Trainings that run, whoever began them: each keeps a file beside the Store's results up to date while it lives.

Files with one name: `.lock`, on which the training's process holds a lock for as long as it lives, however it ends;
`.json`, what it does; `.stop`, which appears when it is to end; `.failed`, a sentence for whoever still follows it,
which stays for a while since several pages may.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.engine.listener import Listener, Training
from workbench.errors import WorkbenchError
from workbench.files import replace
from workbench.method import Progress
from workbench.recipe import Recipe
from workbench.store import Store

_LOOKS = 0.5  # seconds between two looks at what another process says
_KEPT = 60.0  # seconds for which it can be read why a training failed
_SUFFIXES = (".json", ".stop", ".failed", ".lock")


class Announcement:
    """In the training's own process: says that it runs, and how far it is. Raises WorkbenchError."""

    def __init__(self, store: Store, model: str, recipe: Recipe) -> None:
        folder = _folder(store)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / secrets.token_hex(8)
            self._lock = self._path.with_suffix(".new").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._path.with_suffix(".new").rename(self._path.with_suffix(".lock"))  # nobody sees it without its lock
        except OSError as error:
            raise WorkbenchError(f"The folder of trainings {folder} cannot be used: {error.strerror}.") from error
        self._about: dict[str, Any] = {"model": model, "recipe": recipe.to_object()}
        self.tell("", None)

    def tell(self, title: str, progress: Progress | None) -> None:
        content = {**self._about, "title": title, "progress": progress and asdict(progress)}
        replace(self._path.with_suffix(".json"), [json.dumps(content).encode()])

    def stopped(self) -> bool:
        """Whether somebody wants it to end."""
        return self._path.with_suffix(".stop").exists()

    def end(self, error: str | None) -> None:
        """Say that it is over; error: a sentence where it failed."""
        if error:
            replace(self._path.with_suffix(".failed"), [error.encode()])
        for suffix in (".json", ".stop", ".lock"):
            self._path.with_suffix(suffix).unlink(missing_ok=True)
        self._lock.close()


class Follower(Listener):
    """Follows a training that this process did not begin, or whose beginner is gone. training: what it was at last."""

    def __init__(self, path: Path, progress: Callable[[Training], None], ended: Callable[[str | None], None]) -> None:
        self.training = _read(path) or Training("", Recipe())
        self._path = path
        super().__init__(progress, ended)

    def cancel(self) -> None:
        self._path.with_suffix(".stop").touch(mode=0o600)

    def _listen(self) -> str | None:
        while _lives(self._path):
            found = _read(self._path)
            if found is not None and found != self.training:
                self.training = found
                self._progress(found)
            time.sleep(_LOOKS)
        return _failure(self._path)


def running(store: Store | None = None) -> list[Path]:
    """The trainings that run, those begun last first; what dead ones left is taken away when all have heard of it."""
    found = []
    files = [file for file in _folder(store or Store.default()).glob("*.*") if file.suffix in _SUFFIXES]
    for path in {file.with_suffix("") for file in files}:
        try:
            if not _lives(path):
                _failure(path)
                if _old(path):
                    _clear(path)
            elif _read(path) is not None:
                found.append((path.with_suffix(".lock").stat().st_mtime_ns, path))
        except (OSError, WorkbenchError):  # it has just ended, or its files are another user's
            continue
    return [path for _, path in sorted(found, reverse=True)]


def _folder(store: Store) -> Path:
    return store.folder / "running"


def _lives(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with path.with_suffix(".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it has ended in order
        pass
    return False


def _failure(path: Path) -> str | None:
    """Why a training that is over failed, if it did. Of one that was killed, that stands in its file from then on."""
    killed = path.with_suffix(".json").exists()
    try:
        return path.with_suffix(".failed").read_text(encoding="utf-8")
    except OSError:
        sentence = "The training's process was ended; what it had not finished is lost." if killed else None
    if sentence:
        with suppress(WorkbenchError):  # whoever looks next says the same
            replace(path.with_suffix(".failed"), [sentence.encode()])
            for suffix in (".json", ".stop", ".lock"):
                path.with_suffix(suffix).unlink(missing_ok=True)
    return sentence


def _old(path: Path) -> bool:
    """Whether everybody who follows a training that is over has heard how it ended."""
    try:
        return time.time() - path.with_suffix(".failed").stat().st_mtime > _KEPT
    except FileNotFoundError:
        return True


def _clear(path: Path) -> None:
    for suffix in _SUFFIXES:
        path.with_suffix(suffix).unlink(missing_ok=True)


def _read(path: Path) -> Training | None:
    """What a training says; None where it says nothing that can be read."""
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        progress = said["progress"] and Progress(**said["progress"])
        return Training(said["model"], Recipe.from_object(said["recipe"]), said["title"], progress)
    except (OSError, ValueError, KeyError, TypeError, WorkbenchError):
        return None
