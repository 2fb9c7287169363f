"""The one door to the compiler: its flags, and where compiled code is kept.

Compiled code is kept in a folder of the user's own. Loading it runs it, so a folder that anybody else can reach is not
used: the kernels are then compiled anew in each process. Nothing is compiled before a kernel is first called, and what
only the compiler needs (0.3 s and 45 MiB: Numba's typing rules, SciPy, LLVM's optimiser) is not loaded before it is.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite.binding import add_symbol
from numba.core import event
from numba.core.caching import FunctionCache, _CacheLocator
from numba.core.runtime import _nrt_python
from platformdirs import user_cache_path

from workbench.kernels.compiler import watch
from workbench.kernels.compiler.features import obey_processor_name
from workbench.kernels.compiler.kept import KeptCode

# Reorders and fuses operations but keeps NaN and infinity; all of the speed of full fast math in sums and products.
FAST_MATH = frozenset({"reassoc", "contract", "nsz", "arcp"})

_HERE = Path(__file__).parents[1]
_lock = threading.Lock()
_settings: Any = numba.config
obey_processor_name()


def jit(function: Callable[..., Any] | None = None, *, fast_math: bool = False) -> Any:
    """Compile `function` at its first call, to run outside the GIL; used bare or as `@jit(fast_math=True)`.

    fast_math: allow the reorderings in `FAST_MATH`. Only for sums of floats where the last bit does not matter.
    """
    if function is None:
        return lambda one: jit(one, fast_math=fast_math)
    options: dict[str, Any] = {"nogil": True, "fastmath": set(FAST_MATH) if fast_math else False}
    options["no_cfunc_wrapper"] = True  # no C code calls a kernel; an entry for it takes a tenth of the time to compile
    if private_folder(kernel_folder()) is None:
        return numba.njit(function, **options)
    with _lock:  # Numba takes the list of locators from its settings (NUMBA_CACHE_LOCATOR_CLASSES) and no other way
        before = _settings.CACHE_LOCATOR_CLASSES
        others = before or ",".join(one.__name__ for one in numba.core.caching.CacheImpl._locator_classes)
        _settings.CACHE_LOCATOR_CLASSES = f"{__name__}.{_KernelFolder.__name__},{others}"
        try:
            kernel = numba.njit(function, **options)
            kernel._cache = _KernelCache(function)
            return kernel
        finally:
            _settings.CACHE_LOCATOR_CLASSES = before


def private_folder(folder: Path) -> Path | None:
    """`folder`, made if need be, or None where somebody else could have put a file into it.

    It must belong to the user alone (mode 0700), and no folder above it may let others exchange it.
    """
    try:
        for one in (folder.parent, folder):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "nt":  # the cache folder lies in the user's profile, whose access list keeps others out
            return folder
        own = folder.lstat()
        alone = stat.S_ISDIR(own.st_mode) and own.st_uid == os.getuid() and not own.st_mode & 0o077
        return folder if alone and all(_kept(one) for one in folder.resolve().parents) else None
    except OSError:
        return None


def _kept(folder: Path) -> bool:
    """Whether only the user and root can rename what lies in `folder`."""
    about = folder.stat()
    shared = about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX
    return about.st_uid in (0, os.getuid()) and not shared


@cache
def kernel_folder() -> Path:
    """Where this user's compiled code, and what was measured of it, is kept."""
    return user_cache_path("compression-workbench-kernels", appauthor=False)


@cache
def sources_digest() -> str:
    """Digest of every kernel's source and of the compiler: an edited kernel makes those that call it stale, too."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in sorted(_HERE.rglob("*.py")):
        digest.update(path.relative_to(_HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _KernelCache(FunctionCache):
    """Numba's cache, which readies the compiler before it looks for anything; compiling does that by itself.

    No failure of it is a failure of the kernel.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = KeptCode(kernel_folder(), self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        _name_runtime()
        try:
            return self._load_overload(sig, target_context)
        except Exception:  # it is compiled instead, and overwritten
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            self._save_overload(sig, data)


class _Events(event.Listener):
    """Numba's own events, which come for what is compiled and not for what is loaded.

    Python looks for no garbage meanwhile: the compiler makes objects by the hundred thousand, most of which stay.
    """

    def __init__(self) -> None:
        self._nested, self._collects = 0, False

    def on_start(self, told: Any) -> None:
        if not self._nested:
            self._collects = gc.isenabled()
            gc.disable()
        self._nested += 1
        watch.begun(told.data["dispatcher"].py_func.__module__)

    def on_end(self, told: Any) -> None:
        self._nested -= 1
        if not self._nested and self._collects:
            gc.enable()
        watch.ended()


event.register("numba:compile", _Events())


@cache
def _name_runtime() -> None:
    """Tell LLVM where the functions of Numba's runtime are that compiled code calls, as `numba.core.runtime` does."""
    for name, address in _nrt_python.c_helpers.items():
        add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class _KernelFolder(_CacheLocator):
    """Tells Numba where the kernels of this package are kept; it has no say in any other function."""

    def __init__(self, function: Callable[..., Any], path: str) -> None:
        self._py_file = path
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _KernelFolder | None:
        return cls(py_func, py_file) if _HERE in Path(py_file).resolve().parents else None

    def get_cache_path(self) -> str:
        return str(kernel_folder())

    def get_source_stamp(self) -> str:
        return sources_digest()

    def get_disambiguator(self) -> str:
        return f"{hashlib.sha256(self._py_file.encode()).hexdigest()[:8]}-{self._line}"
