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
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import FormatError
from workbench.exporters.file import replace
from workbench.exporters.header import as_bytes, describe, length, parse

if TYPE_CHECKING:
    from workbench.network.encoded import EncodedModel

MAGIC = b"\x89CWB\r\n\x1a\n"
VERSION = 2
LONGEST_HEADER = 2**24
LARGEST_FILE = 2**34

PREAMBLE = struct.Struct("<8sII32s")
SEALED_FROM = PREAMBLE.size - 32  # where the digest stands


def overhead(compressed: EncodedModel) -> int:
    """Bytes of the file before its first array; nothing is encoded."""
    return PREAMBLE.size + length(compressed)


def write(compressed: EncodedModel, path: Path) -> Path:
    """Write the file and return its path.

    Raises WorkbenchError where it cannot be written, and FormatError where the network is beyond the format's limits;
    what was there before then stays.
    """
    weights = [
        array.data
        for name, encoding in compressed.encodings.items()
        for array in (*encoding.arrays(), *compressed.entering.get(name, ()))
    ]
    arrays = [*weights, *(as_bytes(array) for array in compressed.model.rest.values())]
    header = describe(compressed)
    try:
        nbytes = PREAMBLE.size + len(header) + sum(one.size for one in arrays)
        if nbytes > LARGEST_FILE or len(header) > LONGEST_HEADER:
            raise FormatError("it is too large")
        parse(header)  # what is written can be read
    except FormatError as error:
        raise FormatError(f"{compressed.model.name} does not fit into a packed file: {error}.") from error
    body: tuple[bytes | memoryview, ...] = (header, *(one.data for one in arrays))
    opening = PREAMBLE.pack(MAGIC, VERSION, len(header), bytes(32))[:SEALED_FROM]
    digest = hashlib.blake2b(opening, digest_size=32)
    for piece in body:
        digest.update(piece)
    replace(path, (opening, digest.digest(), *body))
    return path
