"""The packed file (`.cwb`): a compressed network in few bytes, rebuilt from them alone.

Layout, all numbers little-endian:

    8 bytes    magic; its high bit and line ends show a transfer that took the file for text
    4 bytes    version
    4 bytes    length of the header
    32 bytes   BLAKE2b-256 of everything else in the file
    header     canonical JSON: what the arrays are, in their order
    arrays     back to back, without holes, to the end of the file

Every array has a CRC-32 in the header, too, so that a damaged one can be named. Nothing in the file is code.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import FormatError
from workbench.export.file import replace
from workbench.export.header import Bytes, Described, Header, as_bytes, describe, length, parse

if TYPE_CHECKING:
    from torch import nn

    from workbench.compressed import CompressedModel
    from workbench.data.datasets import Dataset

MAGIC = b"\x89CWB\r\n\x1a\n"
VERSION = 1
LONGEST_HEADER = 2**24
LARGEST_FILE = 2**34

_PREAMBLE = struct.Struct("<8sII32s")
_SEALED_FROM = _PREAMBLE.size - 32  # where the digest stands
_CHUNK = 2**20


def overhead(compressed: CompressedModel) -> int:
    """Bytes of the file before its first array; nothing is encoded."""
    return _PREAMBLE.size + length(compressed)


def write(compressed: CompressedModel, path: Path) -> Path:
    """Write the file and return its path.

    Raises WorkbenchError where it cannot be written, and FormatError where the network is beyond the format's limits;
    what was there before then stays.
    """
    weights = [one.data for encoding in compressed.encodings.values() for one in encoding.arrays()]
    arrays = [*weights, *(as_bytes(array) for array in compressed.model.rest.values())]
    header = describe(compressed)
    try:
        nbytes = _PREAMBLE.size + len(header) + sum(one.size for one in arrays)
        if nbytes > LARGEST_FILE or len(header) > LONGEST_HEADER:
            raise FormatError("it is too large")
        parse(header)  # what is written can be read
    except FormatError as error:
        raise FormatError(f"{compressed.model.name} does not fit into a packed file: {error}.") from error
    body: tuple[bytes | memoryview, ...] = (header, *(one.data for one in arrays))
    opening = _PREAMBLE.pack(MAGIC, VERSION, len(header), bytes(32))[:_SEALED_FROM]
    digest = hashlib.blake2b(opening, digest_size=32)
    for piece in body:
        digest.update(piece)
    replace(path, (opening, digest.digest(), *body))
    return path


def read(path: str | Path, module: nn.Module | None = None, data: Dataset | None = None) -> CompressedModel:
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
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error


def _read(file: BufferedReader, module: nn.Module | None, data: Dataset | None) -> CompressedModel:
    """Every size is checked before memory is taken for what it announces."""
    header = _verified_header(file)
    from workbench.export.rebuild import filled, network

    blank = network(header, module)
    layers = {
        layer.name: {one.name: _array(file, one, f"layer {layer.name!r}: array") for one in layer.arrays}
        for layer in header.layers
    }
    rest = {one.array.name: _array(file, one.array, "tensor") for one in header.rest}
    return filled(header, blank, layers, rest, data)


def _verified_header(file: BufferedReader) -> Header:
    """The header of a file whose digest and size are right; the file then stands at its first array."""
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST_FILE:
        raise FormatError(f"it is larger than {LARGEST_FILE:,} bytes")
    opening = file.read(_PREAMBLE.size)
    if opening[:8] != MAGIC[: len(opening)] or not opening:
        raise FormatError("it is not a packed network, or a transfer as text has changed it")
    if len(opening) < _PREAMBLE.size:
        raise FormatError("it is cut short")
    _, version, length, sealed = _PREAMBLE.unpack(opening)
    if version != VERSION:
        raise FormatError(f"it has version {version}, and this workbench reads version {VERSION}")
    if length > LONGEST_HEADER:
        raise FormatError(f"its header is longer than {LONGEST_HEADER:,} bytes")
    digest = hashlib.blake2b(opening[:_SEALED_FROM], digest_size=32)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    if digest.digest() != sealed:
        raise FormatError("it is damaged or cut short: its checksum is not that of its content")
    file.seek(_PREAMBLE.size)
    header = parse(file.read(length))
    if _PREAMBLE.size + length + sum(one.size for one in header.arrays()) != size:
        raise FormatError("its arrays do not fill it exactly")
    return header


def _array(file: BufferedReader, described: Described, owner: str) -> Bytes:
    array = np.empty(described.size, np.uint8)
    if file.readinto(array.data) != described.size or f"{zlib.crc32(array.data):08x}" != described.crc32:
        raise FormatError(f"{owner} {described.name!r} is damaged: its checksum is not that of its content")
    return array
