"""The results of jobs take no more room than the Store is given, and none goes that somebody uses."""

import os
import subprocess
import sys

import pytest

from workbench.store import Store

BYTES = 1_000


def filled(folder, *keys: str) -> None:
    """Results of `BYTES` each, used one after another long ago."""
    folder.mkdir(exist_ok=True)
    for place, key in enumerate(keys):
        path = folder / f"{key}.cwb"
        path.write_bytes(bytes(BYTES))
        path.with_suffix(".json").write_text("{}")
        os.utime(path, (1_000 + place, 5_000 - place))


def left(folder) -> set[str]:
    return {path.stem for path in folder.glob("*.cwb")}


def test_what_was_used_longest_ago_goes_first_with_its_facts(tmp_path):
    filled(tmp_path, "a1", "b2", "c3")
    Store(tmp_path, ceiling=2 * BYTES).make_room()
    assert left(tmp_path) == {"b2", "c3"} and not (tmp_path / "a1.json").exists()
    Store(tmp_path, ceiling=2 * BYTES).make_room()
    assert left(tmp_path) == {"b2", "c3"}


def test_what_this_process_has_found_stays_and_keeps_its_time_of_writing(tmp_path):
    filled(tmp_path, "a1", "b2", "c3")
    written = (tmp_path / "a1.cwb").stat().st_mtime_ns
    assert Store(tmp_path).find("a1").stat().st_mtime_ns == written
    Store(tmp_path, ceiling=0).make_room()
    assert left(tmp_path) == {"a1"}


def test_what_another_process_uses_stays_until_that_ends(tmp_path):
    filled(tmp_path, "a1", "b2")
    code = (
        "import sys, pathlib; from workbench.store import Store; Store(pathlib.Path(sys.argv[1])).find('a1');"
        "print('found', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "found\n"
        Store(tmp_path, ceiling=0).make_room()
        assert left(tmp_path) == {"a1"}
        other.kill()  # so that it clears nothing up
    Store(tmp_path, ceiling=0).make_room()
    assert left(tmp_path) == set()
    assert not list((tmp_path / "used").glob("*.list"))


def test_what_is_gone_is_not_found_and_a_folder_that_cannot_be_written_can_be_read(tmp_path, monkeypatch):
    assert Store(tmp_path / "none").find("a1") is None
    Store(tmp_path / "none").make_room()
    filled(tmp_path, "a1")

    def refused(*given, **named):
        raise PermissionError

    monkeypatch.setattr("workbench.store.os.utime", refused)
    monkeypatch.setattr("workbench.store.fcntl.flock", refused)
    assert Store(tmp_path).find("a1") is not None
    Store(tmp_path, ceiling=0).make_room()
    assert left(tmp_path) == {"a1"}


def test_a_key_names_nothing_outside(tmp_path):
    with pytest.raises(ValueError, match="hexadecimal"):
        Store(tmp_path).find("../a1")
