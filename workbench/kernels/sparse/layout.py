"""Which layout multiplies an unstructured sparse matrix fastest; what the rules below say was measured."""

from __future__ import annotations

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.sparse.bitmask import Bitmask
from workbench.kernels.sparse.csr import RowCsr
from workbench.kernels.sparse.panel import PANEL, PanelCsr
from workbench.kernels.sparse.survivors import Survivors

_FEW = 0.04  # survivors: below, panels hold too few of a row's to be worth loading its sums
_MANY = 0.17  # survivors: above, a single column is faster by bits than by indices


def unstructured(survivors: Survivors, columns: int) -> RowCsr | PanelCsr | Bitmask:
    """The layout for products with `columns` columns."""
    levels = survivors.levels
    one_scale = levels is None or levels.groups == 1
    if columns == 1:
        by_bits = wide() and one_scale and (levels is None or has("avx512vbmi2"))
        few = _MANY if levels is None else _FEW
        return Bitmask.of(survivors) if by_bits and survivors.density > few else RowCsr.of(survivors)
    if survivors.density > _FEW and (one_scale or (levels is not None and levels.group <= PANEL)):
        return PanelCsr.of(survivors)
    return RowCsr.of(survivors)
