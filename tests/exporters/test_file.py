import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.exporters.file import replace


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
