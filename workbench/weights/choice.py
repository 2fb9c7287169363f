"""Which encoding a form is stored in: the smallest that holds it without loss, or the one that a recipe names."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from workbench.errors import RecipeError
from workbench.weights.encoding import ENCODINGS, Encoding, Plan
from workbench.weights.form import Form

# Of two that take the same bytes the simpler one is taken; encodings that are not listed come last.
_SIMPLEST_FIRST = ("dense", "affine", "codebook", "bitmap", "relative-index", "factored")


def smallest(form: Form) -> Encoding:
    """The form in the encoding that holds it without loss in the fewest bytes, its entry in the header not counted."""
    return ENCODINGS[cheapest(form)[0]].encode(form)


def cheapest(form: Form) -> tuple[str, Plan]:
    """Name of the encoding that `smallest` takes, and what it stores."""
    found: tuple[str, Plan] | None = None
    for name, encoding in _simplest_first():
        if found is not None and encoding.least(form) >= found[1].nbytes:
            continue
        plan = encoding.plan(form)
        if plan is not None and (found is None or plan.nbytes < found[1].nbytes):
            found = name, plan
    assert found is not None  # float32 values hold any tensor
    return found


def planned(name: str, form: Form) -> tuple[str, Plan]:
    """Name and plan of what `named` makes. Raises RecipeError as it does."""
    if name not in ENCODINGS:
        raise RecipeError(f"There is no encoding {name!r}; there are {', '.join(ENCODINGS)}.")
    if form.product is not None and name != "factored":
        from workbench.weights.encodings.factored import Factored  # which stores its factors through this module

        return Factored.name, Factored.plan_of(form, lambda factor: planned(name, factor))
    plan = ENCODINGS[name].plan(form)
    if plan is None:
        able = [one for one, encoding in _simplest_first() if encoding.plan(form) is not None]
        raise RecipeError(
            f"Encoding {name!r} cannot hold these weights without loss; those that can: {', '.join(able)}."
        )
    return name, plan


def named(name: str, form: Form) -> Encoding:
    """The form in the encoding of that name; of a product, both factors.

    Raises RecipeError where there is no such encoding, or where it cannot hold the form without loss.
    """
    stored, _ = planned(name, form)
    if stored != name:
        from workbench.weights.encodings.factored import Factored

        return Factored.of(form, lambda factor: named(name, factor))
    return ENCODINGS[name].encode(form)


def held(plan: Plan, form: Form) -> Form:
    """`form` as an encoding holds it: levels are gone where the weights are stored as float32 values."""
    parts = tuple(
        part if keeps or part.levels is None else part.dissolved
        for part, keeps in zip(form.parts, plan.keeps_levels, strict=True)
    )
    return form if parts == form.parts else replace(form, parts=parts)


@cache
def _simplest_first() -> tuple[tuple[str, type[Encoding]], ...]:
    return tuple(sorted(ENCODINGS.items(), key=lambda one: (_rank(one[0]), one[0])))


def _rank(name: str) -> int:
    return _SIMPLEST_FIRST.index(name) if name in _SIMPLEST_FIRST else len(_SIMPLEST_FIRST)
