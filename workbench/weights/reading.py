"""Strict reading of facts and bytes out of a file that may be damaged or forged."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError
from workbench.kernels.lowbit.bitpack import packed_size, unpack
from workbench.weights.arrays import Floats, all_finite

MOST_WEIGHTS = 2**31
MOST_DIMENSIONS = 8


def shape_of(value: Any) -> tuple[int, ...]:
    """`value` as a tensor's shape. Raises FormatError for too many dimensions or elements, or anything else."""
    whole = isinstance(value, list) and all(type(one) is int and one >= 0 for one in value)
    if not whole or not 1 <= len(value) <= MOST_DIMENSIONS:
        raise FormatError(f"a shape must be a list of 1 to {MOST_DIMENSIONS} whole numbers, not {reprlib.repr(value)}")
    if math.prod(max(one, 1) for one in value) > MOST_WEIGHTS:
        raise FormatError(f"shape {reprlib.repr(value)} has more than {MOST_WEIGHTS:,} elements")
    return tuple(value)


class Reading:
    """Takes facts and arrays one by one; `finish` refuses whatever was not asked for.

    Everything here raises FormatError with the end of a sentence that names the field or array.
    """

    def __init__(self, fields: Any, arrays: Mapping[str, NDArray[np.uint8]]) -> None:
        if not isinstance(fields, Mapping):
            raise FormatError("its fields must be a JSON object")
        self._fields = dict(fields)
        self._arrays = dict(arrays)

    def take(self, name: str) -> Any:
        if name not in self._fields:
            raise FormatError(f"field {name!r} is missing")
        return self._fields.pop(name)

    def shape(self) -> tuple[int, ...]:
        return shape_of(self.take("shape"))

    def text(self, name: str) -> str:
        value = self.take(name)
        if type(value) is not str:
            raise FormatError(f"field {name!r} must be text, not {reprlib.repr(value)}")
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.take(name)
        if value is not None and type(value) is not str:
            raise FormatError(f"field {name!r} must be text or null, not {reprlib.repr(value)}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.take(name)
        if type(value) is not int or not low <= value <= high:
            raise FormatError(f"field {name!r} must be a whole number {low}..{high}, not {reprlib.repr(value)}")
        return value

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if type(value) is not bool:
            raise FormatError(f"field {name!r} must be true or false, not {reprlib.repr(value)}")
        return value

    def choice(self, name: str, options: Collection[str]) -> str:
        value = self.take(name)
        if type(value) is not str or value not in options:
            raise FormatError(f"field {name!r} must be one of {', '.join(options)}, not {reprlib.repr(value)}")
        return value

    def array(self, name: str, size: int) -> NDArray[np.uint8]:
        """Array `name`, which must have `size` bytes."""
        if name not in self._arrays:
            raise FormatError(f"array {name!r} is missing")
        array = self._arrays.pop(name)
        if array.size != size:
            raise FormatError(f"array {name!r} has {array.size:,} bytes where its fields say {size:,}")
        return array

    def bits(self, name: str, width: int, count: int) -> NDArray[np.uint8]:
        """Array `name`, a stream of `count` codes of `width` bits whose unused last bits must be zero."""
        array = self._stream(name, width, count)
        used = count * width % 8
        if used and array[-1] >> used:
            raise FormatError(f"array {name!r} has bits set after its last code")
        return array

    def _stream(self, name: str, width: int, count: int) -> NDArray[np.uint8]:
        return self.array(name, packed_size(count, width))

    def codes(self, name: str, width: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """As `bits`: the stream, and the codes in it."""
        array = self.bits(name, width, count)
        return array, unpack(array, width, count)

    def floats(self, name: str, count: int) -> Floats:
        """Array `name` as `count` float32 values, all finite."""
        values = self.array(name, 4 * count).view("<f4").astype(np.float32, copy=False)
        if not all_finite(values):
            raise FormatError(f"array {name!r} holds values that are NaN or infinite")
        return values

    def finish(self) -> None:
        for kind, left in (("field", self._fields), ("array", self._arrays)):
            if left:
                raise FormatError(f"{kind} {reprlib.repr(sorted(left)[0])} does not belong there")
