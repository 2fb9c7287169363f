"""Compiled code on disk: a file for each function and signature, whole or not there at all.

What cannot be read, was damaged, or belongs to other source code is as if it were missing, and is written anew; what
cannot be written is compiled again by the next process.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.serialize import dumps

from workbench.files import write

_DIGEST = 32  # bytes, which a file begins with


class KeptCode:
    """What Numba's cache keeps its results in (`numba.core.caching.IndexDataCacheFile`).

    folder: which must be the user's alone, since loading what lies there runs it. base: what the names of the
    function's files begin with. stamp: of the sources that it was compiled from.
    """

    def __init__(self, folder: Path, base: str, stamp: str) -> None:
        self._folder, self._base, self._stamp = folder, base, stamp

    def load(self, key: Any) -> Any:
        """What was saved under `key`, None where that is not there or not as it was written."""
        try:
            content = self._path(key).read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            saved_under, data = pickle.loads(content[_DIGEST:])
        except Exception:  # a pickle of another version may fail in any way
            return None
        return data if saved_under == key else None

    def save(self, key: Any, data: Any) -> None:
        """Keep `data`, and drop what was compiled from other sources. Raises OSError where it cannot be written."""
        payload = dumps((key, data))
        # Nothing waits for the disk: what a power cut leaves is not what its digest says, and is compiled again.
        write(self._path(key), [hashlib.sha256(payload).digest(), payload], lasts=False)
        for path in self._files():
            if not path.name.startswith(f"{self._base}.{self._stamp[:16]}."):
                path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Drop everything that was kept of the function."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        return self._folder / f"{self._base}.{self._stamp[:16]}.{digest[:16]}.nbc"

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.iterdir() if path.name.startswith(f"{self._base}."))
