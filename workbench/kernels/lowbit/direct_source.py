"""Source of the product of matrices whose weights, on a grid, are decoded in registers where they are multiplied.

Codes are multiplied as the whole numbers they are; the zero point and the scale are applied to a sum of products, so a
code costs a mask and a conversion, which run beside the multiplications. They are paid once for each group of rows.
"""

from __future__ import annotations

from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.lowbit.floating_source import decoded, head, joined_lines, strip_lines, value
from workbench.kernels.lowbit.panel_source import unfinished_lines, written_lines


def gemm_source(name: str, bits: int, batch: int) -> str:
    """Y = X Wᵀ + bias: kernel (..., x, totals, span, turn, rows, bias, y, start, stop) on strips start..stop−1.

    x: for each `span` inputs all groups of `batch` rows, filled up, [groups, inputs, batch], times the factors that
    undo `left_in_place`; totals [spans, rows, filled up]: the sums of `span` inputs of each row, since the zero point
    is taken off so many at a time. `turn` strips go over all rows before the next inputs do. y [rows, out].
    """
    inner, inmost = " " * 16, " " * 20
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, x, totals, span, turn, rows, bias, y, start, stop):",
        *head(bits, "convert"),
        *unfinished_lines(batch),
        "    none = splat(np.float32(0), 16)",
        "    for wide in range(start, stop, turn):",
        "        for deep in range(0, inputs, span):",
        "            until = min(deep + span, inputs)",
        "            for first in range(wide, min(wide + turn, stop)):",
        *strip_lines(inner, "first", "0"),
        f"{inner}at0 = first * 16",
        f"{inner}beside0 += deep // run * kept0",
        f"{inner}scales, zeros = beside(scale, beside0, kept0), beside(zero_point, beside0, kept0)",
        f"{inner}for row in range(0, rows, {batch}):",
        *(f"{inmost}a{row}_0 = none" for row in range(batch)),
        f"{inmost}for block in range(deep // {INPUTS}, until // {INPUTS}):",
        f"{inmost}    at = deep * padded + row * (until - deep) + (block * {INPUTS} - deep) * {batch}",
    ]
    loaded = 0
    for k in range(INPUTS):
        if k % 4 == 0:
            # Words are loaded where they are first needed: the registers hold few beside the sums.
            needed = (k // 4 * bits + bits - 1) // 8 + 1
            for word in range(loaded, needed):
                lines += [f"{inmost}    w0_{word} = {_word(bits, word)}"]
            loaded = max(loaded, needed)
            lines += joined_lines(bits, k // 4, inmost + "    ", "0")
        lines += [f"{inmost}    b = {decoded('convert', bits, k, '0', in_place=True)}"]
        lines += _multiplied(batch, f"at + {k * batch}", inmost + "    ")
    rest = f"rest_code(packed, codes0 + blocks * {4 * bits} * kept0, kept0, {bits}, k)"
    lines += [
        f"{inmost}if until % {INPUTS}:",
        f"{inmost}    for k in range(rest):",
        f"{inmost}        at = deep * padded + row * (until - deep) + (blocks * {INPUTS} + k - deep) * {batch}",
        f"{inmost}        b = {value('convert', bits, rest)}",
        *_multiplied(batch, "at", inmost + "        "),
        f"{inmost}there = (first - wide) * padded + row",
        f"{inmost}at = deep // span * padded + row",
        f"{inmost}if deep == 0:",
        *(f"{inmost}    y{row} = load_some(bias, at0, kept0, 16)" for row in range(batch)),
        f"{inmost}else:",
        *(f"{inmost}    y{row} = load(unfinished, (there + {row}) * 16, 16)" for row in range(batch)),
    ]
    for row in range(batch):
        lines += [f"{inmost}a{row}_0 = fma(a{row}_0 - zeros * spread(totals, at + {row}, 16), scales, y{row})"]
    return "\n".join([*lines, *written_lines(batch, ["0"], inmost), ""])


def _word(bits: int, word: int) -> str:
    return f"view(load(words0, word0 + block * {64 * bits} + {64 * word}, 64), np.uint32)"


def _multiplied(batch: int, at: str, indent: str) -> list[str]:
    """Source that adds the products of `b` with an input of each row."""
    lines = []
    for row in range(batch):
        lines += [f"{indent}v = spread(x, {at} + {row}, 16)", f"{indent}a{row}_0 = fma(b, v, a{row}_0)"]
    return lines
