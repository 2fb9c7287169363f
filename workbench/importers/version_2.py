"""Packed files of versions 1 and 2: a header of canonical JSON, which named everything, and a checksum an array.

Layout, all numbers little-endian: 8 bytes of magic, 4 of version, 4 of the header's length, 32 of BLAKE2b-256 of
everything else; the header; the arrays. The checksums of the arrays say nothing that the digest does not.
"""

from __future__ import annotations

import hashlib
import json
import struct
from io import BufferedReader
from typing import Any

from workbench.errors import FormatError
from workbench.exporters.binary_json import canonical
from workbench.exporters.header import Header
from workbench.exporters.header import header as of_today
from workbench.importers.version_1 import layer_of_version_2
from workbench.weights.reading import Reading

OPENING = b"\x89CWB\r\n\x1a\n"
_PREAMBLE = struct.Struct("<8sII32s")
_SEALED_FROM = _PREAMBLE.size - 32  # where the digest stands
_LONGEST_HEADER = 2**24
_CHUNK = 2**20


def header(file: BufferedReader) -> Header:
    """That of a file whose digest is right; it then stands at its first array. Raises FormatError."""
    file.seek(0)
    opening = file.read(_PREAMBLE.size)
    if opening[: len(OPENING)] != OPENING[: len(opening)]:
        raise FormatError("it is not a packed network, or a transfer as text has changed it")
    if len(opening) < _PREAMBLE.size:
        raise FormatError("it is cut short")
    _, version, length, sealed = _PREAMBLE.unpack(opening)
    if version not in (1, 2):
        raise FormatError(f"it says that it has version {version}, which no file that begins so has")
    if length > _LONGEST_HEADER:
        raise FormatError(f"its header is longer than {_LONGEST_HEADER:,} bytes")
    digest = hashlib.blake2b(opening[:_SEALED_FROM], digest_size=32)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    if digest.digest() != sealed:
        raise FormatError("it is damaged or cut short: its checksum is not that of its content")
    file.seek(_PREAMBLE.size)
    return of_today(_content(file.read(length), version))


def _content(raw: bytes, version: int) -> dict[str, Any]:
    """What the header would hold today. Raises FormatError."""
    try:
        content = json.loads(raw.decode("ascii"))
        written_so = canonical(content).encode("ascii") == raw
    except (ValueError, RecursionError):
        written_so = False
    if not written_so:
        raise FormatError("its header is not the canonical JSON of a packed file")
    reading = Reading(content, {})
    layers = [_layer(layer_of_version_2(one) if version == 1 else one) for one in _list(reading.take("layers"))]
    network = {name: reading.take(name) for name in ("model", "architecture", "input_shape", "data")}
    found = {
        "network": {
            **network,
            "layers": [outlined for outlined, _ in layers],
            "rest": [_tensor(one) for one in _list(reading.take("rest"))],
        },
        "recipe": reading.take("recipe"),
        "previews": reading.take("previews") if "previews" in content else [],
        "original": reading.take("original") if "original" in content else None,
        "layers": [entry for _, entry in layers],
        "example": _tensor(reading.take("example"))[1:] if "example" in content else None,
        "call": _call(reading.take("call")) if "call" in content else None,
    }
    reading.finish()
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError("its layers and tensors must be lists")
    return value


def _layer(layer: Any) -> tuple[list[Any], dict[str, Any]]:
    """Name, shape and arrangement, and the rest."""
    reading = Reading(layer, {})
    name, fields = reading.take("name"), Reading(reading.take("fields"), {})
    lies = [reading.take("lies")] if "lies" in layer else []
    shape = fields.take("shape")
    entering = {"input": reading.take("input")} if "input" in layer else {}
    encoding, arrays = reading.take("encoding"), _list(reading.take("arrays"))
    reading.finish()
    if not all(isinstance(one, list) and [type(part) for part in one] == [str, int, str] for one in arrays):
        raise FormatError("an array must be [name, bytes, checksum]")
    sizes = {name: size for name, size, _ in arrays}
    if len(sizes) < len(arrays):
        raise FormatError("two arrays of a layer have one name")
    own = {fact: value for fact, value in layer["fields"].items() if fact != "shape"}
    return [name, shape, *lies], {"encoding": encoding, "fields": own, **entering, "arrays": sizes}


def _tensor(value: Any) -> list[Any]:
    reading = Reading(value, {})
    found = [reading.take("name"), reading.take("dtype"), reading.take("shape")]
    reading.text("crc32")
    reading.finish()
    return found


def _call(value: Any) -> dict[str, Any]:
    reading = Reading(value, {})
    others = _list(reading.take("others"))
    if not all(isinstance(one, list) and len(one) == 2 for one in others):
        raise FormatError("field 'others' must be a list of pairs, an input and its tensor")
    return {
        "first": reading.take("first"),
        "others": [[key, _tensor(tensor)[1:]] for key, tensor in others],
        "answer": reading.take("answer"),
    }
