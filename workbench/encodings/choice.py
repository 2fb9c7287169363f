"""Which encoding a form is stored in: the smallest that holds it without loss, or the one that a recipe names."""

from __future__ import annotations

from dataclasses import replace

from workbench import shelf
from workbench.encoding import Encoding
from workbench.encodings._one_tensor import OneTensor
from workbench.errors import RecipeError
from workbench.form import Form, Part

Sizes = dict[str, int]

# Of two that take the same bytes the simpler one is taken; encodings that are not listed come last.
_SIMPLEST_FIRST = ("dense", "affine", "codebook", "bitmap", "relative-index", "factored")


def smallest(form: Form) -> Encoding:
    """The form in the encoding that holds it without loss in the fewest bytes, its entry in the header not counted."""
    return shelf.encodings()[cheapest(form)[0]].encode(form)


def cheapest(form: Form) -> tuple[str, Sizes]:
    """Name of the encoding that `smallest` takes, and its bytes by part."""
    return min(_sizes(form).items(), key=lambda one: (sum(one[1].values()), _rank(one[0]), one[0]))


def named(name: str, form: Form) -> Encoding:
    """The form in the encoding of that name; of a product, both factors.

    Raises RecipeError where there is no such encoding, or where it cannot hold the form without loss.
    """
    if name not in shelf.encodings():
        raise RecipeError(f"There is no encoding {name!r}; there are {', '.join(shelf.encodings())}.")
    if form.product is not None and name != "factored":
        from workbench.encodings.factored import Factored  # which stores its factors through this module

        return Factored.of(form, lambda factor: named(name, factor))
    encoding = shelf.encodings()[name]
    if encoding.nbytes(form) is None:
        able = sorted(_sizes(form), key=_rank)
        raise RecipeError(
            f"Encoding {name!r} cannot hold these weights without loss; those that can: {', '.join(able)}."
        )
    return encoding.encode(form)


def held(encoding: Encoding, form: Form) -> Form:
    """`form` as `encoding`, made from it, holds it: levels are gone where the weights are stored as float32 values.

    The same as `encoding.decode()` but for codes of zeros, and without the work.
    """
    from workbench.encodings.factored import Factored

    if isinstance(encoding, Factored):
        factors = [held(one, Form((part,))).parts[0] for one, part in zip(encoding.factors, form.parts, strict=True)]
        return replace(form, parts=tuple(factors))
    if isinstance(encoding, OneTensor):
        return form if encoding.keeps_levels else Form((Part(form.parts[0].values),))
    return encoding.decode()


def _sizes(form: Form) -> dict[str, Sizes]:
    """Bytes by part of every encoding that can hold the form."""
    sizes = ((name, encoding.nbytes(form)) for name, encoding in shelf.encodings().items())
    return {name: one for name, one in sizes if one is not None}


def _rank(name: str) -> int:
    return _SIMPLEST_FIRST.index(name) if name in _SIMPLEST_FIRST else len(_SIMPLEST_FIRST)
