"""What products of activations, as in attention, do where channels of their factors are not there.

Along an axis of the batch, as that of heads, a product is left out where a factor makes it a constant; along the axis
that is summed over, terms are left out that are zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from workbench.network.layouts import Layout


@dataclass(frozen=True, eq=False)
class Product:
    """factors: how each is to be there; None: all of it. after: how the product is; None: all of it. scale: that
    attention must be given, since fewer terms are there than it would take it from; None where it need not be."""

    factors: tuple[Layout | None, ...]
    after: Layout | None
    scale: float | None = None


def matrix_product(layouts: Sequence[Layout | None], sizes: Sequence[torch.Size]) -> Product | None:
    """Of two factors, [..., n, terms] and [..., terms, m]; None where it needs to see all of them.

    layouts: how each is there, None: all of it. sizes: of the whole of each.
    """
    first, second = layouts
    axis = _batch_axis(layouts, sizes)
    if axis is not None:
        one, other = (_whole(layout, axis, size) for layout, size in zip(layouts, sizes, strict=True))
        nothing = (~one.there & (one.fill == 0)) | (~other.there & (other.fill == 0))
        constant = nothing | (~one.there & ~other.there)
        fill = np.where(nothing, np.float32(0), one.fill * other.fill * np.float32(sizes[0][-1]))
        after = Layout(axis, np.flatnonzero(~constant), fill.astype(np.float32), one.layers | other.layers)
        return Product((_as(one, after), _as(other, after)), after) if after.kept.size else None
    if _axis(first) in (None, -1) and _axis(second) in (None, -2):
        terms = _terms(_whole(first, -1, sizes[0]), _whole(second, -2, sizes[1]))
        return None if terms is None else Product(terms, None)
    if first is None and second is not None and second.axis == -1 and _zeros(second):
        return Product((None, second), second)
    return None


def attention(layouts: Sequence[Layout | None], sizes: Sequence[torch.Size]) -> Product | None:
    """Of queries, keys and values, [..., tokens, channels] each; None where it needs to see all of them.

    What looks at constants gives these, since all that an output is a mean of is the same. layouts, sizes: as above.
    """
    query, key, value = layouts
    axis = _batch_axis(layouts, sizes)
    if axis is not None:
        wholes = [_whole(layout, axis, size) for layout, size in zip(layouts, sizes, strict=True)]
        layers = frozenset().union(*(layout.layers for layout in wholes))
        after = Layout(axis, wholes[-1].kept, wholes[-1].fill, layers)
        return Product(tuple(_as(layout, after) for layout in wholes), None if after.complete else after)
    if not {_axis(layout) for layout in layouts} <= {None, -1} or (value is not None and not _zeros(value)):
        return None
    if query is None and key is None:
        return Product((None, None, value), value)
    terms = _terms(_whole(query, -1, sizes[0]), _whole(key, -1, sizes[1]))
    return None if terms is None else Product((*terms, value), value, 1 / math.sqrt(sizes[0][-1]))


def _axis(layout: Layout | None) -> int | None:
    return None if layout is None else layout.axis


def _batch_axis(layouts: Sequence[Layout | None], sizes: Sequence[torch.Size]) -> int | None:
    """The axis along which channels are not there, where that is one of matrices, and all factors have as many."""
    axes = {layout.axis for layout in layouts if layout is not None}
    if len(axes) != 1 or (axis := axes.pop()) >= -2:
        return None
    alike = len({len(size) for size in sizes}) == 1 and len({size[axis] for size in sizes}) == 1
    return axis if alike else None


def _whole(layout: Layout | None, axis: int, size: torch.Size) -> Layout:
    return Layout.whole(axis, size[axis]) if layout is None else layout


def _as(layout: Layout, after: Layout) -> Layout:
    """What is there of a factor where its products are there as `after` says."""
    return Layout(layout.axis, after.kept, layout.fill, layout.layers)


def _terms(one: Layout, other: Layout) -> tuple[Layout, Layout] | None:
    """The factors with the terms that are not zero."""
    if one.channels != other.channels:
        return None
    nothing = (~one.there & (one.fill == 0)) | (~other.there & (other.fill == 0))
    kept = np.flatnonzero(~nothing)
    if not kept.size:
        return None
    return Layout(one.axis, kept, one.fill, one.layers), Layout(other.axis, kept, other.fill, other.layers)


def _zeros(layout: Layout) -> bool:
    """Whether all that is not there would be zero."""
    return not layout.fill[~layout.there].any()
