"""Results of jobs on disk: what a training gave, under the digest of everything that it follows from.

A result is one packed file, which appears whole or not at all; whatever ends the process that makes it, the Store holds
the old result or the new one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from workbench.errors import WorkbenchError
from workbench.files import replace

VARIABLE = "WORKBENCH_STORE"


class Store:
    """A folder of results, by key: hexadecimal digests. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> Store:
        """The user's own, or the folder that the environment variable WORKBENCH_STORE names."""
        named = os.environ.get(VARIABLE)
        return cls(Path(named) if named else user_data_path("compression-workbench", appauthor=False) / "results")

    def find(self, key: str) -> Path | None:
        """The file of a result; None where there is none."""
        path = self._path(key)
        return path if path.is_file() else None

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

    def forget(self, key: str) -> None:
        """Take a result out, if there is one."""
        self._path(key).unlink(missing_ok=True)
        self._path(key).with_suffix(".json").unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not key or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"A key is a hexadecimal digest, not {key!r}.")
        return self.folder / f"{key}.cwb"
