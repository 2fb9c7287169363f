"""Compiled code on disk, damaged in any way: it is compiled again, and nobody hears of it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from workbench.kernels.compiler.kept import KeptCode

PACKING = """
import numpy as np
from workbench.kernels.lowbit import bitpack
assert bitpack.pack(np.array([1, 2, 3], np.uint8), 2).tolist() == [0b111001]
print(sum(bitpack._pack.stats.cache_hits.values()), sum(bitpack._pack.stats.cache_misses.values()))
"""
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "random": lambda content: os.urandom(len(content)),
    "a flipped bit": lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
}


def begin(caches: Path, before: str = "") -> "subprocess.Popen[str]":
    environment = {**os.environ, "XDG_CACHE_HOME": str(caches)}
    return subprocess.Popen([sys.executable, "-c", before + PACKING], env=environment, stdout=-1, stderr=-1, text=True)


def hits_and_misses(caches: Path, before: str = "") -> list[int]:
    """Of one packing in a process of its own, which must not fail."""
    out, errors = begin(caches, before).communicate(timeout=120)
    assert errors == ""
    return [int(count) for count in out.split()]


def kept(caches: Path) -> Path:
    (path,) = (caches / "compression-workbench-kernels").glob("bitpack._pack-*")
    return path


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("caches")
    hits_and_misses(folder)
    return folder


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_compiled_again_and_overwritten(caches: Path, damage: Callable[[bytes], bytes]) -> None:
    kept(caches).write_bytes(damage(kept(caches).read_bytes()))
    assert hits_and_misses(caches) == [0, 1]
    assert hits_and_misses(caches) == [1, 0]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_where_nothing_can_be_written_the_kernel_runs_all_the_same(tmp_path: Path) -> None:
    full = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    full += "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    assert hits_and_misses(tmp_path, full) == [0, 1]
    assert list((tmp_path / "compression-workbench-kernels").iterdir()) == []


def test_two_processes_that_compile_at_once_both_run(tmp_path: Path) -> None:
    both = [begin(tmp_path), begin(tmp_path)]
    for process in both:
        out, errors = process.communicate(timeout=120)
        assert errors == "" and sum(map(int, out.split())) == 1
    assert hits_and_misses(tmp_path) == [1, 0]


def test_a_result_is_that_of_its_key_and_sources_alone(tmp_path: Path) -> None:
    code = KeptCode(tmp_path, "f", "a" * 64)
    code.save(("float32",), 32)
    code.save(("float64",), 64)
    assert [code.load((name,)) for name in ("float32", "float64", "int8")] == [32, 64, None]
    code._path(("float64",)).write_bytes(code._path(("float32",)).read_bytes())
    assert code.load(("float64",)) is None
    edited = KeptCode(tmp_path, "f", "b" * 64)
    assert edited.load(("float32",)) is None
    edited.save(("float32",), 33)
    assert len(list(tmp_path.iterdir())) == 1 and code.load(("float32",)) is None
    edited.flush()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_200_kills_while_caching_leave_a_whole_file_or_none(tmp_path: Path) -> None:
    code, random = KeptCode(tmp_path, "f", "a" * 64), Random(0)
    context = multiprocessing.get_context("fork")
    found = []
    for _ in range(200):
        process = context.Process(target=keep_over_and_over, args=(code,))
        process.start()
        time.sleep(0.01 + random.random() / 20)
        process.kill()
        process.join()
        kept_bytes = code.load("key")
        assert kept_bytes is None or kept_bytes == kept_bytes[:1] * 400_000
        found.append(kept_bytes)
        assert len(list(tmp_path.iterdir())) <= 2
    assert sum(one is not None for one in found) > 100


def keep_over_and_over(code: KeptCode) -> None:
    for number in range(256):
        code.save("key", bytes([number]) * 400_000)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_process_that_is_killed_while_it_compiles_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    for number in range(40):
        process = begin(tmp_path)
        time.sleep(0.5 + 0.1 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert sum(hits_and_misses(tmp_path)) == 1
        kept(tmp_path).unlink()
