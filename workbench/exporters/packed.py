"""The packed file (`.cwb`): a compressed network in few bytes, rebuilt from them alone.

Layout; `docs/format.md` says all of it:

    4 bytes    magic; its high bit shows a transfer that took the file for text
    1 byte     version
    8 bytes    BLAKE2b-64 of everything else in the file, personal to the dictionary of `binary_json`
    1-3 bytes  length of the header, a whole number as `binary_json` writes them
    header     what the arrays are, in their order
    arrays     back to back, without holes, to the end of the file

Nothing in the file is code.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.exporters.binary_json import digest, write_number
from workbench.exporters.header import EXAMPLE, as_bytes, describe, length, parse
from workbench.files import replace
from workbench.network.model import Model

if TYPE_CHECKING:
    from workbench.network.encoded import EncodedModel

MAGIC = b"\x89CWB"
VERSION = 3
LONGEST_HEADER = 2**22
LARGEST_FILE = 2**34

OPENING = MAGIC + bytes([VERSION])
DIGEST_SIZE = 8


def overhead(compressed: EncodedModel) -> int:
    """Bytes of the file before its first array; nothing is encoded."""
    header = length(compressed)
    return len(OPENING) + DIGEST_SIZE + len(announced(header)) + header


def announced(length: int) -> bytes:
    """The length of a header, as it stands before it."""
    out = bytearray()
    write_number(out, length)
    return bytes(out)


def seal() -> hashlib.blake2b:
    """What the digest is made with: it takes everything but the digest."""
    return hashlib.blake2b(OPENING, digest_size=DIGEST_SIZE, person=digest())


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
        before = announced(len(header))
        nbytes = len(OPENING) + DIGEST_SIZE + len(before) + len(header) + sum(one.size for one in arrays)
        if nbytes > LARGEST_FILE or len(header) > LONGEST_HEADER:
            raise FormatError("it is too large")
        parse(header)  # what is written can be read
    except FormatError as error:
        raise FormatError(f"{compressed.model.name} does not fit into a packed file: {error}.") from error
    body: tuple[bytes | memoryview, ...] = (before, header, *(one.data for one in arrays))
    sealed = seal()
    for piece in body:
        sealed.update(piece)
    replace(path, (OPENING, sealed.digest(), *body))
    return path
