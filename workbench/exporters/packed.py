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

import copy
import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.exporters.header import EXAMPLE, as_bytes, describe, length, parse
from workbench.files import replace
from workbench.network.model import Model

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


def _check_way(compressed: EncodedModel) -> None:
    """A reader traces the network with the weights of the file, which must lead it through the same layers."""
    model = compressed.model
    module = copy.deepcopy(model.module)
    for layer in model.layers:
        layer.fill(module, compressed.forms[layer.name].compose())
    found = [layer.name for layer in Model.of_accepted(module, model.example, None, None, None).layers]
    changed = sorted({layer.name for layer in model.layers}.symmetric_difference(found))
    if changed:
        raise FormatError(
            f"its way depends on values, and with these weights it is another one at layer {changed[0]!r}"
        )


def beside(model: Model) -> Mapping[str, NDArray[Any]]:
    """What the file holds beside the layers, in its order: every other tensor, and the example where it is kept."""
    example = {f"({EXAMPLE})": model.example.numpy()} if model.kept else {}
    others = {} if model.calling is None else model.calling.others
    return {**model.rest, **example, **{f"(input {key})": other.numpy() for key, other in others.items()}}


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
    arrays = [*weights, *(as_bytes(array) for array in beside(compressed.model).values())]
    header = describe(compressed)
    try:
        if compressed.model.decides:
            _check_way(compressed)
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
