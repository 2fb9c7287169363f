"""The encoding that a recipe names, and what a form is once an encoding holds it."""

from __future__ import annotations

from workbench.errors import RecipeError
from workbench.weights.cheapest import simplest_first
from workbench.weights.encoding import ENCODINGS, Encoding, Plan
from workbench.weights.encodings.factored import Factored
from workbench.weights.form import Form


def planned(name: str, form: Form) -> tuple[str, Plan]:
    """Name and plan of what `named` makes. Raises RecipeError as it does."""
    if name not in ENCODINGS:
        raise RecipeError(f"There is no encoding {name!r}; there are {', '.join(ENCODINGS)}.")
    if form.factored and name != Factored.name:
        return Factored.name, Factored.plan_of(form, lambda factor: planned(name, factor))
    plan = ENCODINGS[name].plan(form)
    if plan is None:
        able = [other for other, encoding in simplest_first() if encoding.plan(form) is not None]
        raise RecipeError(
            f"Encoding {name!r} cannot hold these weights without loss; those that can: {', '.join(able)}."
        )
    return name, plan


def named(name: str, form: Form) -> Encoding:
    """The form in the encoding of that name; of a chain, every factor.

    Raises RecipeError where there is no such encoding, or where it cannot hold the form without loss.
    """
    stored, _ = planned(name, form)
    if stored != name:
        return Factored.of(form, lambda factor: named(name, factor))
    return ENCODINGS[name].encode(form)


def held(plan: Plan, form: Form) -> Form:
    """`form` as an encoding holds it: levels are gone where the weights are stored as float32 values."""
    parts = tuple(
        part if keeps or part.levels is None else part.dissolved
        for part, keeps in zip(form.parts, plan.keeps_levels, strict=True)
    )
    return form if parts == form.parts else form.with_parts(parts)
