"""Source of panels of decoded weights, and of the product of matrices by way of them."""

from __future__ import annotations

from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.lowbit.floating_source import head, is_codebook, strip_lines, strips_at_once, value
from workbench.kernels.lowbit.weights import Way

DEEP = 256  # inputs of a panel: 256 · 32 floats are 32 KiB


def panel_lines(way: Way, bits: int, indent: str, pitch: int) -> list[str]:
    """Source that decodes inputs deep..until of a strip to `panel` at `to`, `pitch` floats from one input to the next.

    `deep` is a multiple of 32, and so is `until` but for the last input.
    """
    inner = indent + "    "
    levels = {"convert": "None", "permute": "table", "gather": "levels"}[way]
    moved = "None, None" if is_codebook(way) else "zeros, scales"
    words = f"words_, word_ + block * {64 * bits}"
    return [
        f"{indent}for block in range(deep // {INPUTS}, until // {INPUTS}):",
        f"{inner}at = beside_ + block * {INPUTS} // run * kept_",
        f"{inner}scales, zeros = beside(scale, at, kept_), beside(zero_point, at, kept_)",
        f"{inner}at = to + (block * {INPUTS} - deep) * {pitch}",
        f"{inner}decode_block({bits}, {pitch}, {words}, {levels}, {moved}, panel, at)",
        f"{indent}if until % {INPUTS}:",
        f"{inner}at = beside_ + (runs - 1) * kept_",
        f"{inner}scales, zeros = beside(scale, at, kept_), beside(zero_point, at, kept_)",
        f"{inner}for k in range(rest):",
        f"{inner}    code = rest_code(packed, codes_ + blocks * {4 * bits} * kept_, kept_, {bits}, k)",
        f"{inner}    at = to + (blocks * {INPUTS} - deep + k) * {pitch}",
        f"{inner}    store(panel, at, {_weights(way, value(way, bits, 'code'))})",
    ]


def _weights(way: Way, levels: str) -> str:
    """Source of weights out of the levels of their codes: in a codebook they are the same."""
    return levels if is_codebook(way) else f"({levels} - zeros) * scales"


def gemm_source(name: str, way: Way, bits: int, batch: int) -> str:
    """Y = X Wᵀ + bias: kernel (..., x, turn, rows, bias, y, start, stop) on strips start..stop−1.

    x: for each DEEP inputs all groups of `batch` rows, filled up, [groups, inputs, batch]. `turn` strips go over all
    rows before the next inputs do; a multiple of `strips_at_once`, or 1. y [rows, out].
    """
    strips = strips_at_once()
    tags = [str(one) for one in range(strips)]
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, x, turn, rows, bias, y, start, stop):",
        *head(bits, way),
        f"    panel = scratch({DEEP * 16 * strips}, np.float32)",
        f"    turn = max(turn, {strips})",
        *unfinished_lines(batch),
        "    for wide in range(start, stop, turn):",
        f"        for deep in range(0, inputs, {DEEP}):",
        f"            until = min(deep + {DEEP}, inputs)",
        f"            for first in range(wide, min(wide + turn, stop), {strips}):",
        f"                for one in range(min({strips}, stop - first)):",
        *strip_lines(" " * 20, "(first + one)", "_"),
        "                    to = one * 16",
        *panel_lines(way, bits, " " * 20, 16 * strips),
    ]
    inner, inmost = " " * 16, " " * 20
    for tag in tags:
        lines += [f"{inner}at{tag} = min(first + {tag}, stop - 1) * 16"]
        lines += [f"{inner}kept{tag} = min(16, outputs - at{tag})"]
    lines += [f"{inner}for row in range(0, rows, {batch}):"]
    sums = [(row, tag) for row in range(batch) for tag in tags]
    lines += [
        f"{inmost}there = (first - wide) * padded + row * {strips}",
        f"{inmost}if deep == 0:",
        *(f"{inmost}    a{row}_{tag} = load_some(bias, at{tag}, kept{tag}, 16)" for row, tag in sums),
        f"{inmost}else:",
        *(f"{inmost}    a{row}_{tag} = {_unfinished.format(row * strips + int(tag))}" for row, tag in sums),
        f"{inmost}at = deep * padded + row * (until - deep)",
        f"{inmost}for k in range(until - deep):",
        *(f"{inmost}    b{tag} = load(panel, k * {16 * strips} + {16 * int(tag)}, 16)" for tag in tags),
    ]
    for row in range(batch):
        lines += [f"{inmost}    v = spread(x, at + k * {batch} + {row}, 16)"]
        lines += [f"{inmost}    a{row}_{tag} = fma(b{tag}, v, a{row}_{tag})" for tag in tags]
    return "\n".join([*lines, *written_lines(batch, tags, inmost), ""])


_unfinished = "load(unfinished, (there + {}) * 16, 16)"


def unfinished_lines(batch: int) -> list[str]:
    """Source of memory for what `turn` strips have been summed to so far, a tile of sums after another.

    Close together, since rows of y are often a power of two apart, of which a cache takes few.
    """
    return [
        f"    padded = (rows + {batch - 1}) // {batch} * {batch}",
        "    unfinished = scratch(turn * padded * 16, np.float32)",
    ]


def written_lines(batch: int, tags: list[str], indent: str) -> list[str]:
    """Source that writes a tile of sums to y after the last inputs, and to `unfinished` before.

    A strip that stands for the one before it, and a row beyond the last, are not written to y.
    """
    lines = [f"{indent}if until == inputs:"]
    for row in range(batch):
        lines += [f"{indent}    if row + {row} < rows:"]
        for tag in tags:
            to = f"(row + {row}) * outputs + at{tag}"
            lines += [f"{indent}        if first + {tag} < stop:"]
            lines += [f"{indent}            store_some(y, {to}, a{row}_{tag}, kept{tag})"]
    lines += [f"{indent}else:"]
    for row in range(batch):
        for tag in tags:
            place = f"(there + {row * len(tags) + int(tag)}) * 16"
            lines += [f"{indent}    store(unfinished, {place}, a{row}_{tag})"]
    return lines
