"""Products of bits by xor and popcount: the loops around `mismatches`, over rows and over tiles of outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.binary.mismatches import LANES, ROWS, add_mismatches, sign_products
from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.registers import load, store, view
from workbench.kernels.vector.stretches import clear, scratch

Words = NDArray[np.uint32]
Tiles = NDArray[Any]
Floats = NDArray[np.float32]

_PANEL = 2**16  # words of the weights that stay in the second cache


def tiled(rows: Words) -> Tiles:
    """Words [outputs, W] as aligned tiles [tiles, W, 32], uint32."""
    outputs, width = rows.shape
    tiles = -(-outputs // LANES)
    padded = np.zeros((tiles * LANES, width), np.uint32)
    padded[:outputs] = rows
    words = aligned((tiles, width, LANES), np.uint32)
    words[...] = padded.reshape(tiles, LANES, width).transpose(0, 2, 1)
    return words


def multiply_signs(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    length: int,
    paired: bool,
    weights: Tiles,
    bases: Floats,
    scale: Floats,
    bias: Floats,
    y: Floats,
    outputs: int,
    threads: int,
) -> None:
    """y [rows, outputs] of the rows of words at `places`; nothing is checked.

    x: words, flat. places, runs, bases, scale, bias: see `mismatches.sign_products`. length: words in a run. paired:
    whether words come in pairs. weights: as `tiled` lays them.
    """
    units = -(-len(places) // ROWS) * len(weights)
    arguments = (x, places, runs, length // 2 if paired else length, paired, weights.reshape(-1))
    split(_signs, units, threads, *arguments, bases, scale, bias, y.reshape(-1), outputs)


def multiply_planes(
    x: Words,
    places: NDArray[np.int64],
    runs: NDArray[np.int64],
    length: int,
    paired: bool,
    weights: Tiles,
    x_parts: Words,
    w_parts: Words,
    y: NDArray[np.int32],
    outputs: int,
    threads: int,
) -> None:
    """y [rows, outputs] = (x_parts [rows] + w_parts [outputs] − Σ differing bits of planes m and n << m + n) / 2.

    runs: [planes, runs]. weights: [tiles, planes, ...], each plane's as `tiled` lays them. The rest as above.
    """
    units = -(-len(places) // ROWS) * len(weights)
    arguments = (x, places, runs, length // 2 if paired else length, paired, weights.reshape(-1), weights.shape[1])
    split(_planes, units, threads, *arguments, x_parts, w_parts, y.reshape(-1), outputs)


@jit
def _signs(  # type: ignore[no-untyped-def]
    x, places, runs, length, paired, w, bases, scale, bias, y, outputs, start, stop
):
    """Units start..stop of the product, a unit being ROWS rows and 32 outputs.

    Their order: panels of outputs whose weights stay in cache, in each the rows, for each the outputs, so that results
    are written one after another. The last rows are taken together with some of those before them, which are then
    computed twice.
    """
    rows = len(places)
    row_words = runs.size * length * (2 if paired else 1)
    blocks = (rows + ROWS - 1) // ROWS
    tiles = (outputs + LANES - 1) // LANES
    panel = min(tiles, max(1, _PANEL // (LANES * row_words)))
    edge = scratch(ROWS * LANES, np.float32)
    unit = start
    while unit < stop:
        before = unit // (panel * blocks) * panel  # tiles in the panels before this one
        here = min(panel, tiles - before)
        block, tile = (unit - before * blocks) // here, (unit - before * blocks) % here
        end = min(here, tile + stop - unit)
        unit += end - tile
        first, last = before + tile, before + end
        row = max(min(block * ROWS, rows - ROWS), 0)
        whole = min(last, outputs // LANES)
        _tiles(x, places, row, runs, length, paired, w, bases, scale, bias, first, whole, y, row * outputs, outputs)
        if whole < last:  # the last tile has outputs to spare
            column = whole * LANES
            _tiles(x, places, row, runs, length, paired, w, bases, scale, bias, whole, last, edge, -column, LANES)
            for r in range(min(rows, ROWS)):
                for lane in range(outputs - column):
                    y[(row + r) * outputs + column + lane] = edge[r * LANES + lane]


@jit
def _tiles(  # type: ignore[no-untyped-def]
    x, places, row, runs, length, paired, w, bases, scale, bias, first, last, y, to, stride
):
    """Up to ROWS rows from `row` on and tiles first..last of outputs; the first row is written from `to` on."""
    tile_words = runs.size * length * (2 if paired else 1) * LANES
    rows = len(places)
    if rows < ROWS:
        for tile in range(first, last):
            column, at = tile * LANES, tile * tile_words
            for r in range(rows):
                out = to + r * stride + column
                if paired:
                    sign_products(x, places, r, runs, length, w, at, bases, scale, bias, column, y, out, stride, 1, 1)
                else:
                    sign_products(x, places, r, runs, length, w, at, bases, scale, bias, column, y, out, stride, 1, 0)
    elif paired:
        for tile in range(first, last):
            column, at = tile * LANES, tile * tile_words
            out = to + column
            sign_products(x, places, row, runs, length, w, at, bases, scale, bias, column, y, out, stride, ROWS, 1)
    else:
        for tile in range(first, last):
            column, at = tile * LANES, tile * tile_words
            out = to + column
            sign_products(x, places, row, runs, length, w, at, bases, scale, bias, column, y, out, stride, ROWS, 0)


@jit
def _planes(  # type: ignore[no-untyped-def]
    x, places, runs, length, paired, w, w_planes, x_parts, w_parts, y, outputs, start, stop
):
    """Units start..stop of the product, a unit being ROWS rows and 32 outputs.

    The last rows are taken together with some of those before them, which are then computed twice.
    """
    rows = len(places)
    tiles = (outputs + LANES - 1) // LANES
    x_planes = len(runs)
    plane_words = runs.shape[1] * length * (2 if paired else 1) * LANES
    totals = scratch(ROWS * LANES, np.uint32)
    for unit in range(start, stop):
        block, tile = unit // tiles, unit % tiles
        several = rows >= ROWS
        first = max(min(block * ROWS, rows - ROWS), 0)
        for row in range(first, first + 1 if several else rows):
            clear(totals, 0, totals.size)
            for m in range(x_planes):
                for n in range(w_planes):
                    at = (tile * w_planes + n) * plane_words
                    if several and paired:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, ROWS, 1)
                    elif several:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, ROWS, 0)
                    elif paired:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, 1, 1)
                    else:
                        add_mismatches(x, places, row, runs[m], length, w, at, m + n, totals, 1, 0)
            column = tile * LANES
            for r in range(ROWS if several else 1):
                to = (row + r) * outputs + column
                if column + LANES <= outputs:
                    both = load(w_parts, column, LANES) + x_parts[row + r]
                    found = (both - load(totals, r * LANES, LANES)) >> 1
                    store(y, to, view(found, np.int32))
                else:
                    for lane in range(outputs - column):
                        both = np.int64(x_parts[row + r]) + np.int64(w_parts[column + lane])
                        y[to + lane] = (both - np.int64(totals[r * LANES + lane])) >> 1
