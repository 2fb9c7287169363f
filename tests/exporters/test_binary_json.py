"""The header's notation: lossless, one way to write a value, short for networks of the zoo, and safe to read."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import time
from typing import Any

import pytest

from tests.exporters.test_mutations import watched
from tests.zoo import loaded
from workbench.compression.compressed import compress
from workbench.errors import FormatError
from workbench.exporters import binary_json
from workbench.exporters.binary_json import Dictionary, canonical, dictionary, pack, read_number, unpack, write_number
from workbench.exporters.header import described, outline
from workbench.exporters.packed import overhead
from workbench.method import METHODS
from workbench.recipe import Recipe, Step

OPEN: dict[str, Any] = {"?": []}
TEXTS = ["", "a", "ab", "0f", "cafe", "fc1", "__proto__", "ключ", "\ud800", "x" * 300, "encoding", "shape"]
NUMBERS = [0, 1, 127, 128, 12_415, 12_416, 536_703, 536_704, 2**63, -1, -300, 2**128 - 1]
FLOATS = [0.0, -0.0, 0.9, 0.92, 1.0, 4.0, 1e-5, 1 / 3, -0.5, 1e308, 5e-324, 53.6703, 123456.0]
SMALL = Dictionary.of(
    ["fc1", [1, 2, 3], {"a": 1, "b": {"c": OPEN, "d": {"?": [1]}}}, {"a": 1, "b": OPEN}, {"a": OPEN, "b": OPEN}]
)


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind < 5:
        return rng.choice([None, True, False, *TEXTS, *NUMBERS, *FLOATS])
    many = rng.choice([0, 1, 2, 3, 9])
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(many)]
    if kind == 6:
        return rng.choice([{"a": 1, "b": {"c": value(rng, depth + 1), "d": rng.choice([1, 1.0, True])}}, [1, 2, 3]])
    return {rng.choice(TEXTS): value(rng, depth + 1) for _ in range(many)}


@pytest.mark.parametrize("known", [SMALL, None], ids=["small", "shipped"])
def test_lossless(known: Dictionary | None) -> None:
    rng = random.Random(0)
    for _ in range(1000):
        one = value(rng)
        assert canonical(unpack(pack(one, known), known)) == canonical(one)


def test_numbers_are_as_long_as_the_format_says() -> None:
    for number, nbytes in zip(NUMBERS, (1, 1, 1, 2, 2, 3, 3, 5, 10, 3, 4, 18), strict=True):
        assert len(pack(number)) == nbytes
        out = bytearray()
        write_number(out, number)
        assert bytes(out) == pack(number)
        if number >= 0:
            assert read_number(bytes(out), 0) == (number, nbytes)
    assert pack(0.92) == b"\xbd\x5c" and pack(4.0) == b"\xbb\x04"  # 92 / 100, 4 / 1
    assert pack(1 / 3) == b"\xba" + struct.pack(">d", 1 / 3) and pack(-0.0) == b"\xba\x80" + bytes(7)


def test_a_template_takes_a_byte_and_what_it_leaves_open() -> None:
    assert pack("fc1", SMALL) == b"\xd0" and pack([1, 2, 3], SMALL) == b"\xd1"
    assert pack({"a": 1, "b": {"c": 7, "d": 1}}, SMALL) == b"\xd2\x00\x07"  # nothing changed; c
    assert pack({"a": 1, "b": {"c": 7, "d": 2}}, SMALL) == b"\xd2\x01\x07\x02"  # the first optional value changed
    assert pack({"a": 1, "b": 5}, SMALL) == b"\xd3\x05"  # what says more is tried first
    assert pack({"a": 1.0, "b": 5}, SMALL) == b"\xd4\xbb\x01\x05"  # 1.0 is not 1
    assert pack({"b": 5, "a": 1}, SMALL)[0] == 0xC6  # another order is another value


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x80", "ends inside a value"),
        (b"\xb8\x01\x05", "not written in the form"),  # 5 fits into one byte
        (b"\xb8\x11" + b"\xff" * 17, "too large"),
        (b"\xc3\x02\xff\xfe", "not UTF-8"),
        (b"\xc3\x03fc1", "not written in the form"),  # it is a template
        (b"\xc3\x04cafe", "not written in the form"),  # it is hexadecimal
        (b"\xc5\xb9\x01\x01", "how many values follow"),
        (b"\xc5\xb8\x08" + b"\xff" * 8, "ends inside a list"),
        (b"\xc6\x02\xd0\x00\xd0\x00", "stands there twice"),
        (b"\xc6\x01\x00\x00", "no text"),
        (b"\xd2\x02\x07\x02", "changes more of a template"),
        (b"\xd2\x01\x07\x01", "not written in the form"),  # the default, written all the same
        (b"\xd4\x01\x05", "not written in the form"),  # the template before fits
        (b"\xd9", "does not have"),
        (b"\xff\xff", "does not have"),
        (b"\xbb\xc0", "how many values follow"),
        (b"\xba" + struct.pack(">d", 0.5), "not written in the form"),
        (b"\xba" + struct.pack(">d", float("nan")), "NaN"),
        (b"\x05\x05", "not written in the form"),
    ],
)
def test_bytes_that_nothing_would_have_written(raw: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        unpack(raw, SMALL)


def test_what_json_does_not_know_is_not_written() -> None:
    for odd in (float("inf"), float("nan"), {1: 2}, (1,), 2**128, b"x"):
        with pytest.raises(FormatError, match="its header would hold|a number of its header"):
            pack(odd)


@pytest.mark.parametrize("what", ["templates", "lists", "depth"])
def test_a_bomb_is_refused_before_it_is_inflated(what: str) -> None:
    """4 MB of references to the outline of a large network would be 10⁹ values; 4 MB of lists inside each other."""
    largest = max(range(len(dictionary().templates)), key=dictionary().sizes.__getitem__)
    name = pack(dictionary().templates[largest].value)  # type: ignore[union-attr]
    assert len(name) <= 2 and dictionary().sizes[largest] > 200
    many = 2**21
    raw = {
        "templates": b"\xc5" + pack(many) + name * many,
        "lists": b"\xc5" + pack(2 * many) + b"\xc9" * many + b"\xc8" * many,
        "depth": b"\xc9" * 2 * many + b"\x00",
    }[what]
    start = time.process_time()
    with (
        watched(what),
        pytest.raises(FormatError, match="holds more than 4,194,304 values, or 32 inside of each other"),
    ):
        unpack(raw)
    assert time.process_time() - start < 10


def test_the_dictionary_is_frozen() -> None:
    """Files hang on it. Another one belongs to another version of the format."""
    assert hashlib.sha256(binary_json.DICTIONARY.read_bytes()).hexdigest() == binary_json.DIGEST


def test_every_template_is_written_as_itself() -> None:
    templates = json.loads(binary_json.DICTIONARY.read_bytes())
    assert len(templates) == len({canonical(one) for one in templates}) <= 40 + 8 * 2**8
    for number, template in enumerate(templates):
        one = _filled(template)
        raw = pack(one)
        place = 0xD0 + number if number < 40 else 0xF800 + number - 40
        if canonical(_filled(template)) == canonical(template):  # nothing is open: a value and its name
            assert raw == (place.to_bytes(1 if number < 40 else 2, "big"))
        assert unpack(raw) == one


def _filled(template: Any) -> Any:
    if isinstance(template, dict):
        if list(template) == ["?"]:
            return template["?"][0] if template["?"] else 3
        return {name: _filled(one) for name, one in template.items()}
    return template


@pytest.mark.parametrize("name", ["lenet-5/mnist", "lenet-300-100/mnist", "lenet-5/fashion-mnist"])
@pytest.mark.parametrize("quantizer", ["quantize.kmeans", "quantize.uniform"])
@pytest.mark.parametrize("coder", ["huffman", "range-coder"])
def test_all_but_the_values_of_a_lenet(name: str, quantizer: str, coder: str) -> None:
    """At most 160 bytes, of which the digest takes 8; its outline is a template."""
    methods = (
        METHODS["prune.magnitude"](sparsity=0.92),
        METHODS[quantizer](bits=4),
        METHODS["coding.entropy"](coder=coder),
    )
    compressed = compress(loaded(name), Recipe(tuple(Step(method) for method in methods)))
    assert len(pack(outline(compressed.model))) <= 2
    assert overhead(compressed) <= 100
    assert len(json.dumps(described(compressed))) > 1200
