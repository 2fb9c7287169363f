"""A file is the old one or the new one, whatever happens meanwhile."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.files import replace


def test_pieces_stand_one_after_another(tmp_path: Path) -> None:
    replace(tmp_path / "file", [b"one", memoryview(b"two")])
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    replace(tmp_path / "file", [])
    assert (tmp_path / "file").read_bytes() == b""
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise OSError(28, "No space left on device")

    replace(tmp_path / "file", [b"old"])
    with pytest.raises(WorkbenchError, match="file cannot be written: No space left on device"):
        replace(tmp_path / "file", pieces())
    assert (tmp_path / "file").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_that_is_not_there_or_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="nowhere.file cannot be written: No such file"):
        replace(tmp_path / "nowhere" / "file", [b""])
    (tmp_path / "taken").mkdir()
    with pytest.raises(WorkbenchError, match="taken cannot be written"):
        replace(tmp_path / "taken", [b""])
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes")
def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    replace(tmp_path / "file", [b""])
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_that_is_there_keeps_its_rights(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(mode)
    replace(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for content in (b"first", b"second"):  # the file is not there at first
        replace(tmp_path / "link", [content])
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_what_is_no_regular_file_is_left_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(WorkbenchError, match=f"{name} cannot be written: it is not a regular file"):
            replace(tmp_path / name, [b""])
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(WorkbenchError, match="/dev/null cannot be written: it is not a regular file"):
        replace(Path("/dev/null"), [b""])


@pytest.mark.parametrize("name", ["", ".", "/", "a\0b"])
def test_a_name_of_no_file_is_told(name: str) -> None:
    with pytest.raises(WorkbenchError, match="cannot be written"):
        replace(Path(name), [b""])


@pytest.mark.parametrize("length", [1, 241, 242, 255])
def test_names_may_be_as_long_as_the_file_system_takes(tmp_path: Path, length: int) -> None:
    for content in (b"old", b"new"):
        replace(tmp_path / ("n" * length), [content])
        assert (tmp_path / ("n" * length)).read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_what_a_killed_process_left_is_cleared_and_what_another_is_writing_is_not(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writing, killed = (context.Process(target=stall, args=(tmp_path / name,)) for name in ("writing", "killed"))
    for process in (writing, killed):
        process.start()
    temporaries: list[Path] = []
    while len(temporaries) < 2:
        temporaries = [path for path in tmp_path.glob(".cwb-*.tmp") if path.stat().st_size]
    killed.kill()
    killed.join()
    replace(tmp_path / "other", [b"other"])
    (left,) = tmp_path.glob(".cwb-*.tmp")
    assert left in temporaries
    writing.terminate()
    writing.join()
    assert (tmp_path / "writing").read_bytes() == b"begun" + b"x" * 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "writing"]


def stall(path: Path) -> None:
    """Writes until it is asked to end, then to the end."""
    asked = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))

    def pieces() -> Iterator[bytes]:
        yield b"begun" + b"x" * 10_000  # more than is held back
        while not asked:
            time.sleep(0.01)

    replace(path, pieces())


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_others_files_of_such_a_name_stay(tmp_path: Path) -> None:
    (tmp_path / ".cwb-link.tmp").symlink_to(tmp_path / "kept")
    (tmp_path / ".cwb-folder.tmp").mkdir()
    os.mkfifo(tmp_path / ".cwb-pipe.tmp")  # which would be waited at
    (tmp_path / "kept").write_bytes(b"kept")
    replace(tmp_path / "file", [b""])
    assert {".cwb-link.tmp", ".cwb-folder.tmp", ".cwb-pipe.tmp", "kept"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_200_kills_while_saving_leave_the_old_file_or_the_new_and_no_other(tmp_path: Path) -> None:
    path, rng = tmp_path / "net.cwb", random.Random(0)
    whole = [bytes([number]) * 400_000 for number in range(256)]
    replace(path, [whole[255]])
    context = multiprocessing.get_context("fork")
    seen = set()
    for _ in range(200):
        process = context.Process(target=save_over_and_over, args=(path, whole))
        process.start()
        time.sleep(0.01 + rng.random() / 20)
        process.kill()
        process.join()
        content = path.read_bytes()
        assert content in whole
        seen.add(content[0])
        assert len(list(tmp_path.iterdir())) <= 2  # the file, and what the last kill left
    assert len(seen) > 5
    replace(path, [b""])
    assert list(tmp_path.iterdir()) == [path]


def save_over_and_over(path: Path, contents: list[bytes]) -> None:
    for content in contents:
        replace(path, [content[:1000], content[1000:]])
