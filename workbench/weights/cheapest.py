"""The encoding that holds a form without loss in the fewest bytes."""

from __future__ import annotations

from functools import cache

from workbench.weights.encoding import ENCODINGS, Encoding, Plan
from workbench.weights.form import Form

# Of two that take the same bytes the simpler one is taken; encodings that are not listed come last.
_SIMPLEST_FIRST = ("dense", "affine", "codebook", "bitmap", "relative-index", "factored")


def smallest(form: Form) -> Encoding:
    """The form in that encoding, its entry in the header not counted."""
    return ENCODINGS[cheapest(form)[0]].encode(form)


def cheapest(form: Form) -> tuple[str, Plan]:
    """Name of the encoding that `smallest` takes, and what it stores."""
    found: tuple[str, Plan] | None = None
    for name, encoding in simplest_first():
        if found is not None and encoding.least(form) >= found[1].nbytes:
            continue
        plan = encoding.plan(form)
        if plan is not None and (found is None or plan.nbytes < found[1].nbytes):
            found = name, plan
    assert found is not None  # float32 values hold any tensor
    return found


@cache
def simplest_first() -> tuple[tuple[str, type[Encoding]], ...]:
    """Every encoding with its name, the simplest first."""
    return tuple(sorted(ENCODINGS.items(), key=lambda pair: (_rank(pair[0]), pair[0])))


def _rank(name: str) -> int:
    return _SIMPLEST_FIRST.index(name) if name in _SIMPLEST_FIRST else len(_SIMPLEST_FIRST)
