"""What the encodings of a single tensor share; a product of two is the factored encoding's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError, RecipeError
from workbench.weights.encoding import Convolution, Encoding, Kernel, Plan, Stored
from workbench.weights.encodings._stream import Stream
from workbench.weights.form import Form
from workbench.weights.part import Part
from workbench.weights.products import every_weight
from workbench.weights.reading import Reading


@dataclass(frozen=True, eq=False)
class OneTensor(Encoding):
    """shape: of the weight. stream: the values that are listed."""

    shape: tuple[int, ...]
    stream: Stream

    @classmethod
    def plan(cls, form: Form) -> Plan | None:
        return None if form.factored else cls._plan(form.parts[0])

    @classmethod
    def encode(cls, form: Form) -> Self:
        if form.factored:
            raise RecipeError(f"Encoding {cls.name!r} holds one tensor, and these weights are several.")
        return cls._encode(form.parts[0])

    def decode(self) -> Form:
        return Form.whole(self._part())

    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        (use,) = uses
        return (self._kernel(use),)

    @classmethod
    @abstractmethod
    def _plan(cls, part: Part) -> Plan | None: ...

    @classmethod
    @abstractmethod
    def _encode(cls, part: Part) -> Self: ...

    @abstractmethod
    def _part(self) -> Part: ...

    @abstractmethod
    def _kernel(self, use: Convolution | None) -> Kernel | None: ...


@dataclass(frozen=True, eq=False)
class EveryWeight(OneTensor):
    """Every weight listed in storage order, zeros included, in one kind of stream."""

    listed: ClassVar[type[Stream]]

    @classmethod
    def _plan(cls, part: Part) -> Plan | None:
        zeros = _has_zeros(part)
        if cls.listed.nbytes(part, part.size, zeros) is None:
            return None
        fields, arrays = cls.listed.plan(part, part.size, zeros)
        return Plan({"shape": list(part.shape), **fields}, arrays, (cls.listed.kind != "float32",))

    @classmethod
    def _encode(cls, part: Part) -> Self:
        if cls.listed.nbytes(part, part.size, _has_zeros(part)) is None:
            raise RecipeError(f"Encoding {cls.name!r} cannot hold these weights without loss.")
        return cls(part.shape, cls.listed.of(part, None, _has_zeros(part)))

    def _part(self) -> Part:
        return self.stream.part(self.shape, None)

    def _kernel(self, use: Convolution | None) -> Kernel | None:
        return every_weight(self.stream, self.shape, use)

    def arrays(self) -> tuple[Stored, ...]:
        return self.stream.arrays()

    def fields(self) -> dict[str, Any]:
        return {"shape": list(self.shape), **self.stream.fields()}

    @classmethod
    def restore(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Self:
        reading = Reading(fields, arrays)
        shape = reading.shape()
        restored = cls(shape, cls.listed.restore(reading, shape, int(np.prod(shape))))
        reading.finish()
        finite_values(restored)
        return restored


def finite_values(encoding: OneTensor) -> NDArray[np.float32]:
    """The decoded weights. Raises FormatError where one is infinite: a scale too large for its codes."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = encoding._part().values
    if not np.isfinite(values).all():
        raise FormatError("its weights are not all finite")
    return values


def _has_zeros(part: Part) -> bool:
    return part.nonzeros < part.size
