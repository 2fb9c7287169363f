"""Items in tables that are sorted by what is stored of them, and all that lie within an interval."""

from __future__ import annotations

import math

import numpy as np

from workbench.lookup import Codes, Found, Numbers


class Sorted:
    """As many tables as codes have columns. A batch that comes later is merged into what is sorted already."""

    def __init__(self, tables: int) -> None:
        self._codes: Codes = np.empty((tables, 0))
        self._numbers: Numbers = np.empty((tables, 0), np.int64)

    def add(self, numbers: Numbers, codes: Codes) -> None:
        """codes: [n, tables]."""
        tables = len(self._numbers)
        all_codes = np.concatenate([self._codes.astype(codes.dtype), codes.T], axis=1)
        all_numbers = np.concatenate([self._numbers, np.broadcast_to(numbers, (tables, len(numbers)))], axis=1)
        order = np.argsort(all_codes, axis=1, kind="stable")
        self._codes, self._numbers = (np.take_along_axis(one, order, axis=1) for one in (all_codes, all_numbers))

    def between(self, low: Codes, high: Codes) -> Found:
        """All items whose code in a table is from `low` to `high`, both [queries, tables] and among the interval."""
        queries, tables = low.shape
        items = self._numbers.shape[1]
        begin, end = (np.empty((queries, tables), np.int64) for _ in range(2))
        for table, codes in enumerate(self._codes):
            begin[:, table] = np.searchsorted(codes, low[:, table], "left")
            end[:, table] = np.searchsorted(codes, high[:, table], "right")
        counts = np.maximum(end - begin, 0)
        first = (begin + items * np.arange(tables)).reshape(-1)
        ends = np.cumsum(counts.reshape(-1))
        places = np.arange(counts.sum()) + np.repeat(first - (ends - counts.reshape(-1)), counts.reshape(-1))
        offsets = np.concatenate([[0], np.cumsum(counts.sum(1))])
        halvings = 2 * queries * tables * math.ceil(math.log2(items + 1))
        return Found(offsets, self._numbers.reshape(-1)[places], halvings + int(counts.sum()))
