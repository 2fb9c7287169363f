import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.kernels.compiler import jit as compiling
from workbench.kernels.compiler import watch
from workbench.kernels.lowbit import bitpack
from workbench.kernels.sparse import gaps

KERNELS = (bitpack._pack, bitpack._unpack, gaps._count_entries, gaps._entries)
posix = pytest.mark.skipif(os.name == "nt", reason="folders have no modes")
PACKING = """
import numpy as np
from workbench.kernels.lowbit import bitpack
assert bitpack._pack.signatures == [], "compiled at import"
assert bitpack.pack(np.array([1, 2, 3], np.uint8), 2).tolist() == [0b111001]
print(sum(bitpack._pack.stats.cache_hits.values()), sum(bitpack._pack.stats.cache_misses.values()))
"""


def _pack_in_a_new_process(caches: Path) -> list[int]:
    """Cache hits and misses of one packing in a process whose cache folder lies in `caches`."""
    command = [sys.executable, "-c", PACKING]
    environment = {**os.environ, "XDG_CACHE_HOME": str(caches)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return [int(one) for one in done.stdout.split()]


@posix
def test_compiled_code_is_kept_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    assert _pack_in_a_new_process(tmp_path) == [0, 1]
    folder = tmp_path / "compression-workbench-kernels"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.glob("bitpack._pack-*.nbc"))
    assert _pack_in_a_new_process(tmp_path) == [1, 0]


@posix
def test_loading_compiled_code_does_without_the_compiler(tmp_path: Path) -> None:
    """Which is there for a function that is compiled afterwards."""
    load = "from workbench.kernels.lowbit import bitpack; bitpack.pack(np.array([1, 2, 3], np.uint8), 2)"
    found = "print([name for name in ('numba.np.arraymath', 'scipy.linalg') if name in sys.modules])"
    compiled = "assert numba.njit(lambda count: np.dot(np.ones(count), np.ones(count)))(3) == 3.0"
    program = f"import sys, numba, numpy as np\n{load}\n{found}\n{compiled}"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    _pack_in_a_new_process(tmp_path)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@posix
def test_a_folder_that_others_can_write_is_not_loaded_from(tmp_path: Path) -> None:
    _pack_in_a_new_process(tmp_path)
    (tmp_path / "compression-workbench-kernels").chmod(0o770)
    assert _pack_in_a_new_process(tmp_path) == [0, 1]  # compiled anew


@posix
def test_only_a_private_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "kernels"
    before = os.umask(0o002)  # as where every user has a group of their own
    try:
        assert compiling.private_folder(folder) == folder
    finally:
        os.umask(before)
    for mode in (0o720, 0o702, 0o755):
        folder.chmod(mode)
        assert compiling.private_folder(folder) is None
    folder.chmod(0o700)
    folder.parent.chmod(0o777)  # others could put another folder in its place
    assert compiling.private_folder(folder) is None
    folder.parent.chmod(0o1777)  # as /tmp: what is there stays there
    assert compiling.private_folder(folder) == folder


@posix
def test_a_link_or_a_file_is_not_a_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")
    assert compiling.private_folder(tmp_path / "link") is None
    assert compiling.private_folder(tmp_path / "file") is None


def test_an_edited_callee_makes_its_callers_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "callee.py").write_text("one")
    monkeypatch.setattr(compiling, "_HERE", tmp_path)
    before = compiling.sources_digest.__wrapped__()
    (tmp_path / "callee.py").write_text("two")
    assert compiling.sources_digest.__wrapped__() != before


def test_numbas_own_settings_are_left_as_they_were() -> None:
    import numba

    before = numba.config.CACHE_LOCATOR_CLASSES
    compiling.jit(bitpack._pack.py_func)
    assert before == numba.config.CACHE_LOCATOR_CLASSES
    assert compiling._KernelFolder.from_function(_pack_in_a_new_process, __file__) is None


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: one.__name__)
def test_kernels_let_other_threads_run(kernel) -> None:
    assert kernel.targetoptions["nogil"]


def test_fast_math_keeps_nan_and_infinity() -> None:
    def total(values):
        result = 0.0
        for value in values:
            result += value
        return result

    import numba

    fast = numba.njit(total, fastmath=set(compiling.FAST_MATH))
    assert np.isnan(fast(np.array([1.0, np.nan])))
    assert fast(np.array([1.0, np.inf])) == np.inf


@pytest.mark.parametrize("before", [True, False])
def test_no_garbage_is_looked_for_while_a_kernel_is_compiled(before: bool) -> None:
    """And afterwards as before, also where nothing came of it."""
    import numba

    inner = numba.njit(lambda number: number + 1)
    outer, failing = numba.njit(lambda number: inner(number) * 2), numba.njit(lambda number: number.nothing)
    enabled, found = gc.isenabled(), []
    end = watch.observe(lambda told: found.append(gc.isenabled()))
    try:
        (gc.enable if before else gc.disable)()
        assert outer(3) == 8 and gc.isenabled() is before
        with pytest.raises(numba.TypingError):
            failing(3)
        assert gc.isenabled() is before
    finally:
        end()
        (gc.enable if enabled else gc.disable)()
    assert found == [False, before] * 2
