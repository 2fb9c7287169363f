"""Source of the product of codebook weights with a vector by tables of products (T-MAC: Wei et al. 2024).

For each input there is a table of its products with all levels, as whole numbers of 23 bits times a factor that a span
of inputs shares, cut to planes of 6 bits. One instruction looks up a plane of the products for as many codes as a
register has bytes; they are summed exactly: four in a byte, then in 16 bits.
"""

from __future__ import annotations

from workbench.kernels.lowbit.byte_lanes import ROWS, row_expression
from workbench.kernels.lowbit.floating_source import head, strip_lines

PLANES = 4
PLANE_BITS = 6
_SIZE = 32  # bytes of a register
_TOGETHER = 4  # numbers of 6 bits whose sum fits a byte


def gemv_source(name: str, bits: int) -> str:
    """y = W x + bias: kernel (..., tables, factors, span, chunk, bias, y, start, stop) on strips start..stop−1.

    tables: uint8 [quads, PLANES, 4, 16], as `to_tables` fills them, and factors [spans], of `span` blocks each. `chunk`
    spans, whose tables stay in the nearest cache, go over all strips before the next ones do. y [1, out].
    """
    planes = range(PLANES)
    deep, inmost = " " * 16, " " * 20
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, tables, factors, span, chunk, bias, rows, start, stop):",
        *head(bits, "gather"),
        "    y = rows.reshape(-1)",
        "    quads, spans = (inputs + 3) // 4, factors.size",
        f"    none = splat(np.uint16(0), {_SIZE // 2})",
        f"    sums = scratch((stop - start) * {_SIZE}, np.float32)",
        "    clear(sums, 0, sums.size)",
        "    for from_ in range(0, spans, chunk):",
        "        for strip in range(start, stop):",
        *strip_lines(" " * 12, "strip", "0"),
        f"            here = (strip - start) * {_SIZE}",
        f"            even, odd = load(sums, here, {_SIZE // 2}), load(sums, here + {_SIZE // 2}, {_SIZE // 2})",
        "            for one in range(from_, min(from_ + chunk, spans)):",
        f"{deep}{', '.join(f'a{plane}, b{plane}' for plane in planes)} = {', '.join(['none'] * 2 * PLANES)}",
        f"{deep}for block in range(one * span, min(one * span + span, blocks)):",
        f"{inmost}at = word0 + block * {64 * bits}",
    ]
    for word in range(bits):
        lines += [f"{inmost}prefetch(words0, at + strip_bytes + {64 * word})"]
        lines += [f"{inmost}w{word} = view(by_byte(load(words0, at + {64 * word}, 64)), np.uint32)"]
    lines += [f"{inmost}at = block * {ROWS * PLANES * 64}"]
    parts = [(row, part) for row in range(ROWS) for part in range(0, 64, _SIZE)]
    for first in range(0, len(parts), _TOGETHER):
        group = parts[first : first + _TOGETHER]
        for row in sorted({row for row, _ in group}):
            lines += [f"{inmost}c{row} = view({row_expression(bits, row)}, np.uint8)"]
        lines += _summed([(f"part(c{row}, {part}, {_SIZE})", row * PLANES * 64 + part) for row, part in group], inmost)
    rest = f"rest_quad(packed, codes0 + blocks * {4 * bits} * kept0, kept0, {bits}, 4 * quad, rest)"
    offset = 1 << (PLANE_BITS * PLANES - 2)
    lines += [
        f"{deep}count = min(quads, (one + 1) * span * {ROWS}) - one * span * {ROWS}",
        f"{deep}if one == spans - 1:",
        f"{deep}    for quad in range(quads - blocks * {ROWS}):",
        f"{inmost}    c = by_byte(view({rest}, np.uint8))",
        f"{inmost}    at = (blocks * {ROWS} + quad) * {PLANES * 64}",
    ]
    for part in range(0, 64, _SIZE):
        lines += _summed([(f"part(c, {part}, {_SIZE})", part)], inmost + "    ")
    # What `a` has in its even bytes alone, and what all products were raised by.
    lines += [f"{deep}a{plane} -= b{plane} << 8" for plane in planes]
    for name_, of in (("even", "a"), ("odd", "b")):
        joined = " + ".join(f"(convert({of}{plane}, np.uint32) << {PLANE_BITS * plane})" for plane in planes)
        number = f"view({joined}, np.int32) - count * {offset * 64 // _SIZE}"
        lines += [f"{deep}factor = spread(factors, one, {_SIZE // 2})"]
        lines += [f"{deep}{name_} = fma(convert({number}, np.float32), factor, {name_})"]
    lines += [
        "            store(sums, here, even)",
        f"            store(sums, here + {_SIZE // 2}, odd)",
        "    for strip in range(start, stop):",
        "        for output in range(min(16, outputs - strip * 16)):",
        "            at = (strip - start) * " + str(_SIZE) + " + places_of(output)",
        "            total = bias[strip * 16 + output]",
        f"            for lane in range({_SIZE // 16}):",
        "                total += sums[at + lane * 8]",
        "            y[strip * 16 + output] = total",
    ]
    return "\n".join([*lines, ""])


def _summed(looked_up: list[tuple[str, int]], indent: str) -> list[str]:
    """Source that adds up to four look-ups, each of codes in a table so many bytes behind `at`, to the sums."""
    lines = [f"{indent}i{number} = {codes}" for number, (codes, _) in enumerate(looked_up)]
    for plane in range(PLANES):
        tables = [f"load(tables, at + {place + plane * 64}, {_SIZE})" for _, place in looked_up]
        found = " + ".join(f"lookup16({table}, i{number})" for number, table in enumerate(tables))
        lines += [f"{indent}v = view({found}, np.uint16)"]
        lines += [f"{indent}a{plane} += v", f"{indent}b{plane} += v >> 8"]
    return lines
