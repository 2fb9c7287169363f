"""Which encoding a form is stored in: the smallest that holds it without loss, or the one that a recipe names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workbench.errors import RecipeError
from workbench.weights.coders import CODERS
from workbench.weights.encoding import Encoding, Plan, Scheme
from workbench.weights.entropy import TENSORS, cheapest_through
from workbench.weights.factored import FACTORED, FactoredScheme
from workbench.weights.form import Form
from workbench.weights.tensor import SCHEMES, simplicity


class _Encodings(Mapping[str, Scheme]):
    """Every scheme by its name: those of one tensor, and chains."""

    def __getitem__(self, name: str) -> Scheme:
        return FactoredScheme() if name == FACTORED else TENSORS[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*TENSORS, FACTORED)))

    def __len__(self) -> int:
        return len(TENSORS) + 1


ENCODINGS = _Encodings()


def known() -> str:
    """The names of the encodings, as a message lists them."""
    coders = " or ".join(f"+{name}" for name in CODERS if not CODERS[name].matrix)
    matrices = " or ".join(f"+{name}" for name in CODERS if CODERS[name].matrix)
    return (
        f"{', '.join(_uncoded())}; all but dense and {FACTORED} also with {coders}; those that list every code "
        f"with {matrices}"
    )


def _uncoded() -> list[str]:
    return sorted((*SCHEMES, FACTORED), key=simplicity)


def smallest(form: Form) -> Encoding:
    """The form in the encoding that holds it without loss in the fewest bytes, its entry in the header not counted."""
    return ENCODINGS[cheapest(form)[0]].encode(form)


def cheapest(form: Form) -> tuple[str, Plan]:
    """Name of the encoding that `smallest` takes, and what it stores."""
    if not form.factored:
        scheme, plan = cheapest_through(form.parts[0], form.coders)
        return scheme.name, plan
    return planned(FACTORED, form)


def planned(name: str, form: Form) -> tuple[str, Plan]:
    """Name and plan of what `named` makes. Raises RecipeError as it does."""
    scheme = _scheme(name, form)
    plan = scheme.plan(form)
    if plan is None:
        able = [other for other in _uncoded() if _scheme(other, form).plan(form) is not None]
        raise RecipeError(
            f"Encoding {name!r} cannot hold these weights without loss; those that can: {', '.join(able)}."
        )
    return scheme.name, plan


def named(name: str, form: Form) -> Encoding:
    """The form in the encoding of that name; of a chain, every factor.

    Raises RecipeError where there is no such encoding, or where it cannot hold the form without loss.
    """
    try:
        return _scheme(name, form).encode(form)
    except RecipeError:
        planned(name, form)  # says which encodings can
        raise


def held(plan: Plan, form: Form) -> Form:
    """`form` as an encoding holds it: levels are gone where the weights are stored as float32 values."""
    parts = tuple(
        part if keeps or part.levels is None else part.dissolved
        for part, keeps in zip(form.parts, plan.keeps_levels, strict=True)
    )
    return form if parts == form.parts else form.with_parts(parts)


def _scheme(name: str, form: Form) -> Scheme:
    if name not in ENCODINGS:
        raise RecipeError(f"There is no encoding {name!r}; there are {known()}.")
    if form.factored and name != FACTORED:
        return FactoredScheme(TENSORS[name])
    return ENCODINGS[name]
