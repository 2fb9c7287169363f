"""JSON values in few bytes, by a dictionary of templates that comes with the format (`dictionary.json`).

The first byte of a value says what it is; `docs/format.md` has the table. A template is JSON in which some values are
left open: `{"?": []}` is written each time, `{"?": [default]}` only where it differs. Many of its templates leave
nothing open: a value that is one of them, such as the outline of a network of the zoo, takes one byte or two.

Every value has one way in which it is written. The dictionary is frozen: files hang on it, and their digest says so
(`DIGEST`). `docs/dictionary.py` made it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from workbench.errors import FormatError

DICTIONARY = Path(__file__).parent / "dictionary.json"
DIGEST = "914bf5de03cdeebf7430c96448afa9a02862ac81f5329e1be47dd5e97536aa95"  # SHA-256 of its bytes
MOST_VALUES = 2**22  # in one header, those inside of others and of templates counted
_DEEPEST = 32

_OPEN = "?"  # the one key of what a template leaves open
_BYTE, _TWO, _THREE = 0x80, 0xB0, 0xB8  # first byte above those of whole numbers in so many bytes
_TWO_FROM, _THREE_FROM, _LONG_FROM = 128, 128 + 48 * 2**8, 128 + 48 * 2**8 + 8 * 2**16
_POSITIVE, _NEGATIVE, _FLOAT64, _DECIMAL = 0xB8, 0xB9, 0xBA, 0xBB  # five of the last, by digits after the point
_NULL, _FALSE, _TRUE, _TEXT, _HEX, _LIST, _OBJECT = 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6
_FEW = 0xC8  # a list of 0 to 7 entries
_TEMPLATE, _RARE = 0xD0, 0xF8  # a template in one byte, in two
_IN_ONE = _RARE - _TEMPLATE
_MOST_DIGITS = 5
_LONGEST_NUMBER = 16  # bytes of a whole number
_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class _Open:
    """What a template leaves open. default: of an optional one; None for one that is always written."""

    default: _Constant | None


@dataclass(frozen=True)
class _Constant:
    value: Any

    @cached_property
    def text(self) -> str:
        return canonical(self.value)


@dataclass(frozen=True)
class _Object:
    """keys: in their order. values: what each must be."""

    keys: tuple[str, ...]
    values: tuple[_Object | _Open | _Constant, ...]


_Template = _Object | _Open | _Constant


@dataclass(frozen=True)
class Dictionary:
    """templates: in the order of their numbers."""

    templates: tuple[_Template, ...]

    @classmethod
    def of(cls, templates: list[Any]) -> Dictionary:
        """From JSON values in which `{"?": []}` and `{"?": [default]}` are open."""
        return cls(tuple(map(_compiled, templates)))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many values each template holds."""
        return tuple(map(_size, self.templates))

    @cached_property
    def optional(self) -> tuple[int, ...]:
        """How many optional values each template has."""
        return tuple(sum(one.default is not None for one in _open(template)) for template in self.templates)

    @cached_property
    def _texts(self) -> Mapping[str, int]:
        return {
            one.value: number
            for number, one in enumerate(self.templates)
            if isinstance(one, _Constant) and isinstance(one.value, str)
        }

    @cached_property
    def _constants(self) -> Mapping[str, int]:
        """Lists and objects of which nothing is open, by their canonical JSON."""
        return {
            one.text: number
            for number, one in enumerate(self.templates)
            if isinstance(one, _Constant) and isinstance(one.value, (list, dict))
        }

    @cached_property
    def _beginnings(self) -> frozenset[Any]:
        """Length and first entry of each constant list or object: few others begin so."""
        return frozenset(_beginning(json.loads(text)) for text in self._constants)

    @cached_property
    def _objects(self) -> Mapping[Any, tuple[int, ...]]:
        """Keys, and the first value where that is a text -> the templates to try, those that say most first."""
        found: dict[Any, list[int]] = {}
        for number, one in enumerate(self.templates):
            if isinstance(one, _Object):
                first = one.values[0] if one.values else None
                text = first.value if isinstance(first, _Constant) and isinstance(first.value, str) else None
                found.setdefault((one.keys, text), []).append(number)
        return {
            key: tuple(sorted(numbers, key=lambda number: (-_said(self.templates[number]), number)))
            for key, numbers in found.items()
        }

    def text(self, value: str) -> int | None:
        """The number of the template that is this text."""
        return self._texts.get(value)

    def constant(self, value: list[Any] | dict[str, Any]) -> int | None:
        """The number of the template that is this value."""
        if not value or _beginning(value) not in self._beginnings:
            return None
        return self._constants.get(canonical(value))

    def candidates(self, value: dict[str, Any]) -> Iterator[int]:
        """Templates with these keys, of which the first that fits is taken."""
        keys = tuple(value)
        first = next(iter(value.values()), None)
        if isinstance(first, str):
            yield from self._objects.get((keys, first), ())
        yield from self._objects.get((keys, None), ())


@cache
def dictionary() -> Dictionary:
    """The one that comes with the format."""
    return Dictionary.of(json.loads(DICTIONARY.read_bytes()))


def digest() -> bytes:
    """16 bytes that tell the dictionary from every other one."""
    return bytes.fromhex(DIGEST)[:16]


def canonical(value: Any) -> str:
    """The JSON text of a value, one for each."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def pack(value: Any, known: Dictionary | None = None) -> bytes:
    """The bytes of a JSON value. Raises FormatError for one that is none, or has numbers beyond the format's."""
    out = bytearray()
    _write(out, value, known or dictionary())
    return bytes(out)


def unpack(raw: bytes, known: Dictionary | None = None) -> Any:
    """The value that `pack` wrote; parts of it may be the dictionary's own, and must not be changed.

    Raises FormatError for bytes that `pack` would not have written. No more than `MOST_VALUES` are made.
    """
    known = known or dictionary()
    reading = _Bytes(raw, known)
    value = reading.value(0)
    if reading.place != len(raw) or pack(value, known) != raw:
        raise FormatError("its header is not written in the form in which headers are")
    return value


def write_number(out: bytearray, value: int) -> None:
    """A whole number. Raises FormatError where it takes more than 16 bytes."""
    if 0 <= value < _TWO_FROM:
        out.append(value)
    elif 0 <= value < _THREE_FROM:
        out += (_BYTE * 2**8 + value - _TWO_FROM).to_bytes(2, "big")
    elif 0 <= value < _LONG_FROM:
        out += (_TWO * 2**16 + value - _THREE_FROM).to_bytes(3, "big")
    else:
        size = (abs(value).bit_length() + 7) // 8
        if size > _LONGEST_NUMBER:
            raise FormatError("a number of its header is too large")
        out += bytes([_POSITIVE if value >= 0 else _NEGATIVE, size]) + abs(value).to_bytes(size, "big")


def read_number(raw: bytes, place: int) -> tuple[int, int]:
    """The whole number that stands there, and the place after it. Raises FormatError where none does."""
    reading = _Bytes(raw, Dictionary(()))
    reading.place = place
    return reading.count(), reading.place


def _write(out: bytearray, value: Any, known: Dictionary) -> None:
    if value is None:
        out.append(_NULL)
    elif value is False or value is True:
        out.append(_TRUE if value else _FALSE)
    elif type(value) is int:
        write_number(out, value)
    elif type(value) is float:
        _write_float(out, value)
    elif type(value) is str:
        _write_text(out, value, known)
    elif type(value) is list:
        number = known.constant(value)
        if number is not None:
            _write_template(out, number)
            return
        if len(value) < _TEMPLATE - _FEW:
            out.append(_FEW + len(value))
        else:
            out.append(_LIST)
            write_number(out, len(value))
        for one in value:
            _write(out, one, known)
    elif type(value) is dict:
        _write_object(out, value, known)
    else:
        raise FormatError(f"its header would hold a {type(value).__name__}")


def _write_float(out: bytearray, value: float) -> None:
    if not math.isfinite(value):
        raise FormatError("its header would hold a number that is NaN or infinite")
    if math.copysign(1, value) > 0 and value < _LONG_FROM:
        for digits in range(_MOST_DIGITS):
            whole = round(value * 10**digits)
            if whole < _LONG_FROM and whole / 10**digits == value:
                out.append(_DECIMAL + digits)
                write_number(out, whole)
                return
    out.append(_FLOAT64)
    out += struct.pack(">d", value)


def _write_text(out: bytearray, value: str, known: Dictionary) -> None:
    number = known.text(value)
    if number is not None:
        _write_template(out, number)
    elif _is_hex(value):
        out.append(_HEX)
        write_number(out, len(value) // 2)
        out += bytes.fromhex(value)
    else:
        raw = value.encode("utf-8", "surrogatepass")
        out.append(_TEXT)
        write_number(out, len(raw))
        out += raw


def _is_hex(value: str) -> bool:
    return len(value) >= 4 and len(value) % 2 == 0 and _HEX_DIGITS.issuperset(value)


def _write_object(out: bytearray, value: dict[str, Any], known: Dictionary) -> None:
    number = known.constant(value)
    if number is not None:
        _write_template(out, number)
        return
    for number in known.candidates(value):
        left: list[tuple[_Open, Any]] = []
        if _fits(known.templates[number], value, left):
            _write_template(out, number)
            optional = [(place, one) for place, (opened, one) in enumerate(left) if opened.default is not None]
            usual = {place for place, one in optional if _is(left[place][0].default, one)}
            if optional:
                write_number(out, sum(2**bit for bit, (place, _) in enumerate(optional) if place not in usual))
            for place, (_, one) in enumerate(left):
                if place not in usual:
                    _write(out, one, known)
            return
    out.append(_OBJECT)
    write_number(out, len(value))
    for key, one in value.items():
        if type(key) is not str:
            raise FormatError("its header would hold a key that is no text")
        _write_text(out, key, known)
        _write(out, one, known)


def _write_template(out: bytearray, number: int) -> None:
    if number < _IN_ONE:
        out.append(_TEMPLATE + number)
    else:
        out += (_RARE * 2**8 + number - _IN_ONE).to_bytes(2, "big")


class _Bytes:
    """Reads values one after another."""

    def __init__(self, raw: bytes, known: Dictionary) -> None:
        self.raw, self.known, self.place, self.values = raw, known, 0, 0

    def take(self, size: int) -> bytes:
        taken = self.raw[self.place : self.place + size]
        if len(taken) < size:
            raise FormatError("its header ends inside a value")
        self.place += size
        return taken

    def count(self) -> int:
        """A whole number that says how many of something follow, or which."""
        first = self.take(1)[0]
        number = self._number(first) if first <= _POSITIVE else None
        if number is None:
            raise FormatError("its header does not say how many values follow")
        return number

    def value(self, depth: int) -> Any:
        self._room(1, depth)
        first = self.take(1)[0]
        if first <= _NEGATIVE:
            return self._number(first)
        if first == _FLOAT64:
            return struct.unpack(">d", self.take(8))[0]
        if first < _NULL:
            return self.count() / 10 ** (first - _DECIMAL)
        if first <= _TRUE:
            return (None, False, True)[first - _NULL]
        if first in (_TEXT, _HEX):
            return self._text(first)
        if first == _LIST or _FEW <= first < _TEMPLATE:
            many = self.count() if first == _LIST else first - _FEW
            return [self.value(depth + 1) for _ in range(self._listed(many))]
        if first == _OBJECT:
            return self._object(depth)
        if first < _TEMPLATE:
            raise FormatError("its header holds a value of no known kind")
        return self._template(first - _TEMPLATE if first < _RARE else self._rare(first), depth)

    def _number(self, first: int) -> int:
        if first < _BYTE:
            return first
        if first < _TWO:
            return _TWO_FROM + ((first - _BYTE) << 8) + self.take(1)[0]
        if first < _THREE:
            return _THREE_FROM + ((first - _TWO) << 16) + int.from_bytes(self.take(2), "big")
        size = self.take(1)[0]
        if size > _LONGEST_NUMBER:
            raise FormatError("a number of its header is too large")
        magnitude = int.from_bytes(self.take(size), "big")
        return magnitude if first == _POSITIVE else -magnitude

    def _text(self, first: int) -> str:
        raw = self.take(self.count())
        if first == _HEX:
            return raw.hex()
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise FormatError("a text of its header is not UTF-8") from error

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self._listed(self.count())):
            key = self.value(depth + 1)
            if type(key) is not str or key in found:
                raise FormatError("a key of its header is no text, or stands there twice")
            found[key] = self.value(depth + 1)
        return found

    def _rare(self, first: int) -> int:
        return _IN_ONE + ((first - _RARE) << 8) + self.take(1)[0]

    def _template(self, number: int, depth: int) -> Any:
        if number >= len(self.known.templates):
            raise FormatError("its header names a template that the dictionary does not have")
        self._room(self.known.sizes[number], depth)
        optional = self.known.optional[number]
        mask = self.count() if optional else 0
        if mask >> optional:
            raise FormatError("its header changes more of a template than that has")
        bits = (mask >> bit & 1 for bit in range(optional))
        return self._filled(self.known.templates[number], bits, depth + 1)

    def _filled(self, template: _Template, bits: Iterator[int], depth: int) -> Any:
        if isinstance(template, _Constant):
            return template.value
        if isinstance(template, _Object):
            pairs = zip(template.keys, template.values, strict=True)
            return {key: self._filled(one, bits, depth) for key, one in pairs}
        return self.value(depth) if template.default is None or next(bits) else template.default.value

    def _listed(self, many: int) -> int:
        if many > len(self.raw) - self.place:
            raise FormatError("its header ends inside a list")
        return many

    def _room(self, values: int, depth: int) -> None:
        self.values += values
        if self.values > MOST_VALUES or depth > _DEEPEST:
            raise FormatError(f"its header holds more than {MOST_VALUES:,} values, or {_DEEPEST} inside of each other")


def _compiled(value: Any) -> _Template:
    if _is_open(value):
        default = value[_OPEN]
        return _Open(_Constant(default[0]) if default else None)
    if isinstance(value, dict) and _has_open(value):
        return _Object(tuple(value), tuple(map(_compiled, value.values())))
    return _Constant(value)


def _is_open(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == [_OPEN]


def _has_open(value: Any) -> bool:
    return _is_open(value) or (isinstance(value, dict) and any(map(_has_open, value.values())))


def _open(template: _Template) -> Iterator[_Open]:
    if isinstance(template, _Open):
        yield template
    elif isinstance(template, _Object):
        for one in template.values:
            yield from _open(one)


def _size(template: _Template) -> int:
    if isinstance(template, _Object):
        return 1 + sum(map(_size, template.values))
    if isinstance(template, _Open):
        return 1 if template.default is None else _size(template.default)
    return _values_in(template.value)


def _values_in(value: Any) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_values_in, value))
    return 1 + sum(map(_values_in, value.values())) if isinstance(value, dict) else 1


def _said(template: _Template) -> int:
    """How much of a value a template says by itself."""
    if isinstance(template, _Object):
        return sum(map(_said, template.values))
    return 2 if isinstance(template, _Constant) else int(template.default is not None)


def _beginning(value: list[Any] | dict[str, Any]) -> Any:
    first = next(iter(value))
    return type(value), len(value), first if isinstance(first, str) else None


def _fits(template: _Template, value: Any, left: list[tuple[_Open, Any]]) -> bool:
    """Whether the value is of the template; what that leaves open is put into `left`."""
    if isinstance(template, _Open):
        left.append((template, value))
        return True
    if isinstance(template, _Constant):
        return _is(template, value)
    if type(value) is not dict or tuple(value) != template.keys:
        return False
    return all(_fits(one, value[key], left) for key, one in zip(template.keys, template.values, strict=True))


def _is(constant: _Constant | None, value: Any) -> bool:
    """Whether it is this very value: 1 is neither 1.0 nor true."""
    assert constant is not None
    if type(value) is not type(constant.value):
        return False
    if isinstance(value, (dict, list, float)):
        return canonical(value) == constant.text
    return bool(value == constant.value)
