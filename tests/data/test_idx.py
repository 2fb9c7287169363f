"""IDX files: what was written is read, and damage is named."""

import gzip
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench.data import idx
from workbench.errors import DataError


@given(values=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)))
def test_round_trip(values, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "values.gz"
    idx.write(path, values)
    read = idx.read(path, values.ndim)
    assert read.shape == values.shape
    assert read.tobytes() == values.tobytes()


def test_published_layout(tmp_path):
    """Magic 0x00000803, big-endian sizes, then rows: the bytes that the MNIST page describes."""
    path = tmp_path / "images.gz"
    idx.write(path, np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    assert gzip.decompress(path.read_bytes()) == bytes.fromhex("00000803 00000001 00000002 00000003 000102030405")


def test_same_values_give_the_same_file(tmp_path):
    values = np.arange(50, dtype=np.uint8)
    idx.write(tmp_path / "a.gz", values)
    idx.write(tmp_path / "b.gz", values)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


compressed = partial(gzip.compress, mtime=0)  # the same bytes, and so the same name of a test, at any time


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (compressed(bytes.fromhex("00000801 00000003 0102")), "ends after 2 of 3"),
        (compressed(bytes.fromhex("00000801 00000003 01020304")), "goes on after its 3"),
        (compressed(bytes.fromhex("00000801 0000")), "ends inside its header"),
        (compressed(bytes.fromhex("00000d01 00000001 00000000")), "type 13"),
        (compressed(bytes.fromhex("00000803 00000001 00000001 00000001 00")), "3 dimensions"),
        (compressed(bytes.fromhex("00000801 ffffffff 00")), "more than the limit"),
        (compressed(b""), "not an IDX file"),
        (compressed(b"hello world"), "not an IDX file"),
        (b"hello world", "cannot be read as a gzip file"),
        (compressed(bytes.fromhex("00000801 00000003 010203"))[:-6], "cannot be read as a gzip file"),
    ],
)
def test_damage_is_named(content, reason, tmp_path):
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        idx.read(path, dimensions=1)
    assert "damaged.gz" in str(caught.value)


@given(data=st.data())
def test_any_mutation_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "values.gz"
    idx.write(path, np.arange(20, dtype=np.uint8).reshape(4, 5))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(DataError):
        assert idx.read(path, dimensions=2).tobytes() == bytes(range(20))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        idx.read(tmp_path / "absent.gz", dimensions=1)


def test_only_bytes_are_written(tmp_path):
    with pytest.raises(DataError, match="float64"):
        idx.write(tmp_path / "values.gz", np.zeros(3))
