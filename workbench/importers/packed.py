"""Reads a packed file (`.cwb`, see `workbench.exporters.packed`), which may be damaged or forged."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FormatError, WorkbenchError
from workbench.exporters.binary_json import read_number
from workbench.exporters.header import Bytes, Described, Header, check_written_alike, parse
from workbench.exporters.packed import (
    DIGEST_SIZE,
    LARGEST_FILE,
    LONGEST_HEADER,
    MAGIC,
    OPENING,
    VERSION,
    announced,
    seal,
)
from workbench.importers import version_2
from workbench.importers.rebuild import filled, network
from workbench.network.encoded import EncodedModel

if TYPE_CHECKING:
    from torch import nn

    from workbench.data.datasets import Dataset

_CHUNK = 2**20
_LONGEST_NUMBER = 18  # bytes


def read(path: str | Path, module: nn.Module | None = None, data: Dataset | None = None) -> EncodedModel:
    """The compressed network again, from the file's bytes alone.

    module: the user's own network, whatever its weights, where the file's is not of the zoo; it is not changed.
    data: the user's own data set, where the network was not measured on an embedded one; else the network has none.

    Raises FormatError, naming the file and the layer or field, for a file that is damaged, too large, of another
    version or not of this network.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            raise FormatError("it is not a file")
        with path.open("rb") as file:
            return _read(file, module, data)
    except FormatError as error:
        raise FormatError(f"{path}: {error}.") from error
    except WorkbenchError:  # of a network or data set that was handed over
        raise
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # of a name with a zero byte
        raise FormatError(f"{str(path)!r} cannot be read: {error}.") from error


def _read(file: BufferedReader, module: nn.Module | None, data: Dataset | None) -> EncodedModel:
    """Every size is checked before memory is taken for what it announces; then, that it would be written so again."""
    raw, header = _verified(file)
    if file.tell() + sum(one.size for one in header.arrays()) != os.fstat(file.fileno()).st_size:
        raise FormatError("its arrays do not fill it exactly")
    blank = network(header, module)
    layers = {layer.name: {one.name: _array(file, one) for one in layer.arrays} for layer in header.layers}
    rest = {one.array.name: _array(file, one.array) for one in header.rest}
    example = None if header.example is None else _array(file, header.example.array)
    others = {} if header.call is None else header.call.others
    held = {key: _array(file, other.array) for key, other in others.items()}
    compressed = filled(header, blank, layers, rest, example, held, data)
    if raw:
        check_written_alike(raw, compressed)
        _check_arrays(compressed, layers)
    return compressed


def _check_arrays(compressed: EncodedModel, layers: Mapping[str, Mapping[str, Bytes]]) -> None:
    """Raises FormatError, naming it, for an array that would be written otherwise."""
    for name, encoding in compressed.encodings.items():
        for array in (*encoding.arrays(), *compressed.entering.get(name, ())):
            if not np.array_equal(array.data, layers[name][array.name]):
                raise FormatError(f"layer {name!r}: array {array.name!r} is not written in the form in which such are")


def _verified(file: BufferedReader) -> tuple[bytes, Header]:
    """The header of a file whose digest is right, which then stands at its first array; its bytes, and what they say.

    No bytes where the file is of an earlier version.
    """
    if os.fstat(file.fileno()).st_size > LARGEST_FILE:
        raise FormatError(f"it is larger than {LARGEST_FILE:,} bytes")
    opening = file.read(len(OPENING))
    if opening[: len(MAGIC)] != MAGIC[: len(opening)] or not opening:
        raise FormatError("it is not a packed network, or a transfer as text has changed it")
    if len(opening) < len(OPENING):
        raise FormatError("it is cut short")
    if opening[-1:] == version_2.OPENING[len(MAGIC) : len(OPENING)]:
        return b"", version_2.header(file)
    if opening != OPENING:
        raise FormatError(f"it has version {opening[-1]}, and this workbench reads versions 1 to {VERSION}")
    sealed, before = file.read(DIGEST_SIZE), file.read(_LONGEST_NUMBER)
    length, place = read_number(before, 0)
    if length > LONGEST_HEADER:
        raise FormatError(f"its header is longer than {LONGEST_HEADER:,} bytes")
    found = seal()
    found.update(before)
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    if found.digest() != sealed or announced(length) != before[:place]:
        raise FormatError("it is damaged or cut short: its checksum is not that of its content")
    file.seek(len(OPENING) + DIGEST_SIZE + place)
    raw = file.read(length)
    return raw, parse(raw)


def _array(file: BufferedReader, described: Described) -> Bytes:
    array = np.empty(described.size, np.uint8)
    if file.readinto(array.data) != described.size:
        raise FormatError("it has become shorter while it was read")
    return array
