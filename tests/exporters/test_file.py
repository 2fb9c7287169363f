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
