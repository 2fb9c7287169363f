"""Reads a packed file (`.cwb`, see `workbench.exporters.packed`), which may be damaged or forged."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import FormatError, WorkbenchError
from workbench.exporters.header import Bytes, Described, check_written_alike, parse
from workbench.exporters.packed import LARGEST_FILE, LONGEST_HEADER, MAGIC, PREAMBLE, SEALED_FROM, VERSION
from workbench.importers.rebuild import filled, network
from workbench.importers.version_1 import layer_of_today
from workbench.network.encoded import EncodedModel

if TYPE_CHECKING:
    from torch import nn

    from workbench.data.datasets import Dataset

_CHUNK = 2**20
# Version -> what makes of a layer's entry in the header what this version writes.
_OF_TODAY: dict[int, Callable[[Any], Any]] = {1: layer_of_today, VERSION: lambda layer: layer}


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
    version, raw = _verified_header(file)
    header = parse(raw, _OF_TODAY[version])
    if PREAMBLE.size + len(raw) + sum(one.size for one in header.arrays()) != os.fstat(file.fileno()).st_size:
        raise FormatError("its arrays do not fill it exactly")
    blank = network(header, module)
    layers = {
        layer.name: {one.name: _array(file, one, f"layer {layer.name!r}: array") for one in layer.arrays}
        for layer in header.layers
    }
    rest = {one.array.name: _array(file, one.array, "tensor") for one in header.rest}
    example = None if header.example is None else _array(file, header.example.array, "the")
    others = {} if header.call is None else header.call.others
    held = {key: _array(file, other.array, "input") for key, other in others.items()}
    compressed = filled(header, blank, layers, rest, example, held, data)
    if version == VERSION:
        check_written_alike(raw, compressed)
    return compressed


def _verified_header(file: BufferedReader) -> tuple[int, bytes]:
    """Version and header of a file whose digest is right; the file then stands at its first array."""
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST_FILE:
        raise FormatError(f"it is larger than {LARGEST_FILE:,} bytes")
    opening = file.read(PREAMBLE.size)
    if opening[:8] != MAGIC[: len(opening)] or not opening:
        raise FormatError("it is not a packed network, or a transfer as text has changed it")
    if len(opening) < PREAMBLE.size:
        raise FormatError("it is cut short")
    _, version, length, sealed = PREAMBLE.unpack(opening)
    if version not in _OF_TODAY:
        raise FormatError(f"it has version {version}, and this workbench reads versions 1 to {VERSION}")
    if length > LONGEST_HEADER:
        raise FormatError(f"its header is longer than {LONGEST_HEADER:,} bytes")
    digest = hashlib.blake2b(opening[:SEALED_FROM], digest_size=32)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    if digest.digest() != sealed:
        raise FormatError("it is damaged or cut short: its checksum is not that of its content")
    file.seek(PREAMBLE.size)
    return version, file.read(length)


def _array(file: BufferedReader, described: Described, owner: str) -> Bytes:
    array = np.empty(described.size, np.uint8)
    if file.readinto(array.data) != described.size or f"{zlib.crc32(array.data):08x}" != described.crc32:
        raise FormatError(f"{owner} {described.name!r} is damaged: its checksum is not that of its content")
    return array
