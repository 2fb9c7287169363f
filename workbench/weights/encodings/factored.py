"""Factored: the two tensors of a product, each in an encoding of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FormatError, RecipeError
from workbench.weights.choice import cheapest, smallest
from workbench.weights.encoding import ENCODINGS, Convolution, Encoding, Kernel, Plan, Stored
from workbench.weights.form import Form, Product
from workbench.weights.reading import Reading

_FACTORS = ("first", "second")


@dataclass(frozen=True, eq=False)
class Factored(Encoding):
    """The factors in the order in which the input meets them; see `Form` for their shapes.

    shape: of the one weight that the product stands for. The rank is at most the smaller side of its matrix.
    """

    name = "factored"
    shape: tuple[int, ...]
    product: Product
    factors: tuple[Encoding, Encoding]

    @classmethod
    def plan(cls, form: Form) -> Plan | None:
        return cls.plan_of(form, cheapest) if form.product is not None and _fits(form) else None

    @classmethod
    def plan_of(cls, form: Form, store: Callable[[Form], tuple[str, Plan]]) -> Plan:
        """What `of` would store, each factor in what `store` names and plans. Raises RecipeError as `of` does."""
        if form.product is None or not _fits(form):
            raise RecipeError(f"Encoding {cls.name!r} holds a product of two factors, which these weights are not.")
        factors = [store(Form((part,))) for part in form.parts]
        parts = [{"encoding": name, **_without(plan.fields, "shape")} for name, plan in factors]
        rank = form.parts[0].shape[0]
        return Plan(
            {"shape": list(form.shape), "product": form.product, "rank": rank, "factors": parts},
            tuple(
                (f"{place}.{name}", part, size)
                for place, (_, plan) in zip(_FACTORS, factors, strict=True)
                for name, part, size in plan.arrays
            ),
            tuple(keeps for _, plan in factors for keeps in plan.keeps_levels),
        )

    @classmethod
    def encode(cls, form: Form) -> Self:
        return cls.of(form, smallest)

    @classmethod
    def of(cls, form: Form, store: Callable[[Form], Encoding]) -> Self:
        """The form with each factor stored by `store`. Raises RecipeError where it is no product."""
        if form.product is None or not _fits(form):
            raise RecipeError(f"Encoding {cls.name!r} holds a product of two factors, which these weights are not.")
        first, second = (store(Form((part,))) for part in form.parts)
        return cls(form.shape, form.product, (first, second))

    def decode(self) -> Form:
        return Form(tuple(one.decode().parts[0] for one in self.factors), self.product)

    def kernels(self, uses: Sequence[Convolution | None]) -> tuple[Kernel | None, ...]:
        pairs = zip(self.factors, uses, strict=True)
        return tuple(kernel for factor, use in pairs for kernel in factor.kernels((use,)))

    def arrays(self) -> tuple[Stored, ...]:
        return tuple(
            Stored(f"{place}.{one.name}", one.part, one.data)
            for place, factor in zip(_FACTORS, self.factors, strict=True)
            for one in factor.arrays()
        )

    def fields(self) -> dict[str, Any]:
        parts = [{"encoding": one.name, **_without(one.fields(), "shape")} for one in self.factors]
        rank = self.factors[0].fields()["shape"][0]
        return {"shape": list(self.shape), "product": self.product, "rank": rank, "factors": parts}

    @classmethod
    def restore(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[np.uint8]]) -> Self:
        reading = Reading(fields, {})
        shape = reading.shape()
        product: Product = reading.choice("product", get_args(Product))  # type: ignore[assignment]
        if len(shape) not in ((4,) if product == "spatial" else (2, 4)):
            raise FormatError(f"a weight of shape {shape} is no {product} product")
        rank = reading.integer("rank", 0, _highest_rank(shape, product))
        factors = reading.take("factors")
        reading.finish()
        if not isinstance(factors, list) or len(factors) != len(_FACTORS):
            raise FormatError("field 'factors' must be a list of two objects")
        left = dict(arrays)
        restored = []
        for place, its_shape, facts in zip(_FACTORS, _factor_shapes(shape, product, rank), factors, strict=True):
            own = {name: left.pop(name) for name in list(left) if name.startswith(f"{place}.")}
            restored.append(_factor(facts, its_shape, {name.partition(".")[2]: one for name, one in own.items()}))
        if left:
            raise FormatError(f"array {min(left)!r} does not belong there")
        return cls(shape, product, (restored[0], restored[1]))


def _factor(facts: Any, shape: tuple[int, ...], arrays: Mapping[str, NDArray[np.uint8]]) -> Encoding:
    single = {name: one for name, one in ENCODINGS.items() if name != Factored.name}
    reading = Reading(facts, {})
    name = reading.choice("encoding", tuple(single))
    if "shape" in facts:
        raise FormatError("field 'shape' does not belong there")
    return single[name].restore({"shape": list(shape), **_without(facts, "encoding")}, arrays)


def _without(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in facts.items() if one != name}


def _factor_shapes(shape: tuple[int, ...], product: Product, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if product == "channel":
        return (rank, *shape[1:]), (shape[0], rank, *[1] * (len(shape) - 2))
    return (rank, shape[1], shape[2], 1), (shape[0], rank, 1, shape[3])


def _highest_rank(shape: tuple[int, ...], product: Product) -> int:
    """Smaller side of the matrix that the weight is read as."""
    if product == "channel":
        return min(shape[0], int(np.prod(shape[1:])))
    return min(shape[0] * shape[3], shape[1] * shape[2])


def _fits(form: Form) -> bool:
    """Whether the factors have the shapes that `Form` describes."""
    shapes = tuple(part.shape for part in form.parts)
    dimensions = [len(shape) for shape in shapes]
    if form.product is None or dimensions not in ([[4, 4]] if form.product == "spatial" else [[2, 2], [4, 4]]):
        return False
    shape, rank = form.shape, shapes[0][0]
    return rank <= _highest_rank(shape, form.product) and shapes == _factor_shapes(shape, form.product, rank)
