"""Chains of two factors, as the SVD in its two forms makes them."""

from workbench.weights.form import POINT, Factor, Form, Passage
from workbench.weights.part import Part


def channel(first: Part, second: Part) -> Form:
    return Form((Factor(first), Factor(second, POINT)))


def spatial(vertical: Part, horizontal: Part) -> Form:
    return Form((Factor(vertical, Passage(columns=False)), Factor(horizontal, Passage(rows=False))))
