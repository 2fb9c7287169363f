"""Factored: the tensors of a chain, each in an encoding of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError, RecipeError
from workbench.weights.encoding import Convolution, Encoding, Kernel, Plan, Scheme
from workbench.weights.entropy import TENSORS, cheapest_through
from workbench.weights.form import Factor, Form, Passage
from workbench.weights.part import Part
from workbench.weights.reading import Reading
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.weights.tensor import TensorEncoding

FACTORED = "factored"
_MOST_FACTORS = 8
_LARGEST = 16  # times the weights of the one tensor that the factors may hold, so that a forged file takes no memory


@dataclass(frozen=True, eq=False)
class FactoredEncoding(Encoding):
    """The factors in the order in which the input meets them; see `Form` for their shapes.

    shape: of the one weight that the chain stands for. passages: how each factor passes over images.
    """

    shape: tuple[int, ...]
    passages: tuple[Passage, ...]
    factors: tuple[Encoding, ...]

    @property
    def name(self) -> str:
        return FACTORED

    @property
    def tensors(self) -> tuple[TensorEncoding, ...]:
        return tuple(tensor for factor in self.factors for tensor in factor.tensors)

    def decode(self) -> Form:
        parts = [factor.decode().parts[0] for factor in self.factors]
        return Form(tuple(Factor(part, passage) for part, passage in zip(parts, self.passages, strict=True)))

    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        pairs = zip(self.factors, uses, strict=True)
        return tuple(kernel for factor, use in pairs for kernel in factor.kernels((use,)))

    def arrays(self) -> tuple[Stored, ...]:
        return tuple(
            Stored(f"{place}.{array.name}", array.part, array.data)
            for place, factor in enumerate(self.factors)
            for array in factor.arrays()
        )

    def fields(self) -> dict[str, Any]:
        factors = [(factor.name, factor.fields()) for factor in self.factors]
        ranks = tuple(facts["shape"][0] for _, facts in factors[:-1])
        return _fields(self.shape, ranks, self.passages, factors)


@dataclass(frozen=True)
class FactoredScheme(Scheme):
    """Each factor in a scheme of its own: in `same`, or in the one that takes the fewest bytes."""

    same: Scheme | None = None
    name: ClassVar[str] = FACTORED  # type: ignore[misc]

    def plan(self, form: Form) -> Plan | None:
        if not _fits(form):
            return None
        factors = []
        for part in form.parts:
            scheme = self._scheme(part, form)
            plan = scheme.plan(Form.whole(part))
            if plan is None:
                return None
            factors.append((scheme.name, plan))
        return Plan(
            _fields(form.shape, form.ranks, form.passages, [(name, plan.fields) for name, plan in factors]),
            tuple(
                (f"{place}.{name}", part, size)
                for place, (_, plan) in enumerate(factors)
                for name, part, size in plan.arrays
            ),
            tuple(keeps for _, plan in factors for keeps in plan.keeps_levels),
        )

    def encode(self, form: Form) -> FactoredEncoding:
        if not _fits(form):
            raise RecipeError("Encoding 'factored' holds a chain of factors, which these weights are not.")
        factors = tuple(self._scheme(part, form).encode(Form.whole(part)) for part in form.parts)
        return FactoredEncoding(form.shape, form.passages, factors)

    def _scheme(self, part: Part, form: Form) -> Scheme:
        return self.same or cheapest_through(part, form.coders)[0]

    def restore(self, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> FactoredEncoding:
        reading = Reading(fields, {})
        shape, ranks, factors = reading.shape(), reading.take("ranks"), reading.take("factors")
        reading.finish()
        many = isinstance(factors, list) and 2 <= len(factors) <= _MOST_FACTORS
        if not many or not isinstance(ranks, list) or len(ranks) != len(factors) - 1:
            raise FormatError(f"fields 'factors' and 'ranks' must list 2 to {_MOST_FACTORS} factors and their ranks")
        if not all(type(rank) is int and rank >= 0 for rank in ranks):
            raise FormatError("field 'ranks' must hold whole numbers")
        passages = tuple(_passage(facts) for facts in factors)
        shapes = _shapes(shape, ranks, passages)
        if shapes is None:
            raise FormatError(f"its factors do not make a weight of shape {shape}")
        left = dict(arrays)
        restored = []
        for place, (its_shape, facts) in enumerate(zip(shapes, factors, strict=True)):
            own = {name: left.pop(name) for name in list(left) if name.startswith(f"{place}.")}
            restored.append(_factor(facts, its_shape, {name.partition(".")[2]: data for name, data in own.items()}))
        if left:
            raise FormatError(f"array {min(left)!r} does not belong there")
        return FactoredEncoding(shape, passages, tuple(restored))


def _fields(
    shape: tuple[int, ...],
    ranks: tuple[int, ...],
    passages: tuple[Passage, ...],
    factors: Sequence[tuple[str, Mapping[str, Any]]],
) -> dict[str, Any]:
    listed = [
        {"encoding": name, "passage": [passage.rows, passage.columns, passage.groups], **_without(facts, "shape")}
        for passage, (name, facts) in zip(passages, factors, strict=True)
    ]
    return {"shape": list(shape), "ranks": list(ranks), "factors": listed}


def _passage(facts: Any) -> Passage:
    reading = Reading(facts, {})
    value = reading.take("passage")
    if not isinstance(value, list) or [type(fact) for fact in value] != [bool, bool, int] or value[2] < 1:
        raise FormatError("field 'passage' must say rows, columns and groups")
    return Passage(*value)


def _factor(facts: Any, shape: tuple[int, ...], arrays: Mapping[str, NDArray[np.uint8]]) -> Encoding:
    name = Reading(facts, {}).choice("encoding", TENSORS)
    if "shape" in facts:
        raise FormatError("field 'shape' does not belong there")
    return TENSORS[name].restore({"shape": list(shape), **_without(facts, "encoding", "passage")}, arrays)


def _without(facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in names}


def _shapes(shape: tuple[int, ...], ranks: Sequence[int], passages: Sequence[Passage]) -> list[tuple[int, ...]] | None:
    """Shapes of the factors; None where they make no such weight or too large ones.

    A factor is as long as the kernel along the axes that it takes over, each of which one factor does.
    """
    if len(shape) not in (2, 4):
        return None
    found = []
    for place, passage in enumerate(passages):
        outputs = ranks[place] if place < len(ranks) else shape[0]
        inputs = ranks[place - 1] if place else shape[1]
        if inputs % passage.groups or outputs % passage.groups or (not place and passage.groups != 1):
            return None
        kernel = (shape[2] if passage.rows else 1, shape[3] if passage.columns else 1) if len(shape) == 4 else ()
        found.append((outputs, inputs // passage.groups, *kernel))
    once = [sum(passage.rows for passage in passages), sum(passage.columns for passage in passages)] == [1, 1]
    small = sum(math.prod(one) for one in found) <= _LARGEST * math.prod(shape) + 4096
    return found if once and small else None


def _fits(form: Form) -> bool:
    """Whether the factors have the shapes that `Form` describes."""
    return form.factored and [part.shape for part in form.parts] == _shapes(form.shape, form.ranks, form.passages)
