"""Source of the products of packed codes with activations in fixed point, by products of bytes.

Where the processor has dot products of bytes (VNNI), one instruction adds sums of four products to 32 bits. Else sums
of two are added in 16 bits, as many as fit, and those to 32 bits, for codes of up to 7 bits.

An activation is a whole number of up to 24 bits in digits of base 256, each a signed byte, times a factor that a span
of inputs shares. Products of codes with one digit at a time are summed exactly.

All kernels take packed, levels, scale, zero_point and (outputs, inputs, run) first, as `LowBit.arguments` lists them,
and then x as `to_digits` leaves it: uint32 [groups, quads, DIGITS, BATCH], four inputs in each; sums [groups, spans,
DIGITS, BATCH] of each digit over a span; factors [groups, spans, BATCH].
"""

from __future__ import annotations

from workbench.kernels.compiler.features import has, wide
from workbench.kernels.lowbit.byte_lanes import ROWS, row_expression
from workbench.kernels.lowbit.floating_source import head, strip_lines, word_lines

DIGITS = 3  # which hold what float32 does
BATCH = 4  # rows of activations multiplied at once: as many as have registers for their sums
_DIGIT = 128  # the largest magnitude of a digit


def multiplies_bytes() -> bool:
    """Whether the processor has dot products of bytes."""
    return wide() and has("avx512vnni")


def strips_at_once() -> int:
    """Strips multiplied together: as many as have registers for their sums."""
    return 2 if wide() else 1


def _chains() -> int:
    """Sums of one digit: two where a dot product waits for the one before it."""
    return 2 if multiplies_bytes() else 1


def sums_in_pairs(bits: int) -> int:
    """How many sums of two products of a code and a digit can be added in 16 bits; 0 where not even one fits."""
    return (2**15 - 1) // (2 * _DIGIT * (2**bits - 1))


def _sums(totals: str, indent: str, sums_at: str) -> list[str]:
    """Source that joins the sums of all digits, without the zero point's share, to one number `t`."""
    lines = []
    for digit in reversed(range(DIGITS)):
        total, at = totals.format(digit=digit), sums_at.format(digit=digit)
        one = f"convert({total}, np.float32) - zero * spread(sums, {at}, 16)"
        lines.append(f"{indent}t = {one}" if digit == DIGITS - 1 else f"{indent}t = fma(t, base, {one})")
    return lines


def _quad(bits: int, tag: str) -> str:
    place = f"codes{tag} + blocks * {4 * bits} * kept{tag}"
    return f"rest_quad(packed, {place}, kept{tag}, {bits}, 4 * row, rest)"


def _product(bits: int, row: int | None, total: str, codes: str, indent: str) -> list[str]:
    """Source that adds to `total` the products of `codes` with the digits `v`.

    row: of a block, all of whose rows come in order, so that 16 bits are added to 32 now and then; None: by itself.
    """
    if multiplies_bytes():
        return [f"{indent}{total} = dot_u8_i8({total}, {codes}, v)"]
    pairs, most, product = f"p{total}", sums_in_pairs(bits), f"pair_products({codes}, v)"
    if row is None:
        return [f"{indent}{total} += pair_sums({product})"]
    lines = [f"{indent}{pairs} = {product}" if row % most == 0 else f"{indent}{pairs} += {product}"]
    if row % most == most - 1 or row == ROWS - 1:
        lines += [f"{indent}{total} += pair_sums({pairs})"]
    return lines


def gemv_source(name: str, bits: int) -> str:
    """y = W x + bias: kernel (..., x, span, top, bias, y, start, stop) on strips start..stop−1; x [1, in]; y [1, out].

    `span` blocks share a factor; `top`: the largest whole number that an activation becomes.
    """
    tags = [str(one) for one in range(strips_at_once())]
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, x, span, top, bias, target, start, stop):",
        *head(bits, "convert"),
        "    y = target.reshape(-1)",
        "    quads, spans = (inputs + 3) // 4, (inputs + 32 * span - 1) // (32 * span)",
        f"    numbers = scratch(quads * {DIGITS}, np.uint32)",
        f"    sums, factors = scratch(spans * {DIGITS}, np.float32), scratch(spans, np.float32)",
        "    to_digits(x, 32 * span, 1, top, numbers, sums, factors, 0, 1)",
        "    group_spans = max(1, run // (32 * span)) if runs > 1 else spans",
        "    none = splat(np.float32(0), 16)",
        "    nothing = splat(np.int32(0), 16)",
        "    base = splat(np.float32(256), 16)",
        f"    for first in range(start, stop, {len(tags)}):",
    ]
    for tag in tags:
        lines += [f"        strip{tag} = min(first + {tag}, stop - 1)", *strip_lines(" " * 8, f"strip{tag}", tag)]
        lines += [f"        total{tag} = load_some(bias, strip{tag} * 16, kept{tag}, 16)"]
    lines += [
        "        for group in range(runs):",
        *(f"            part{tag} = none" for tag in tags),
        *(f"            zero{tag} = beside(zero_point, beside{tag} + group * kept{tag}, kept{tag})" for tag in tags),
        "            for one in range(group * group_spans, min(group * group_spans + group_spans, spans)):",
    ]
    chains = _chains()
    every = [(tag, digit, chain) for tag in tags for digit in range(DIGITS) for chain in range(chains)]
    shallow, deep = " " * 16, " " * 20
    lines += [f"{shallow}a{tag}_{digit}_{chain} = nothing" for tag, digit, chain in every]
    lines += [f"{shallow}for block in range(one * span, min(one * span + span, blocks)):"]
    for tag in tags:
        lines += word_lines(bits, deep, tag)
    for row in range(ROWS):
        lines += [f"{deep}c{tag} = {row_expression(bits, row, f'w{tag}_')}" for tag in tags]
        for digit in range(DIGITS):
            lines += [f"{deep}v = spread(numbers, (block * {ROWS} + {row}) * {DIGITS} + {digit}, 16)"]
            for tag in tags:
                lines += _product(bits, row, f"a{tag}_{digit}_{row % chains}", f"c{tag}", deep)
    lines += [f"{shallow}if one == spans - 1:", f"{shallow}    for row in range((rest + 3) // 4):"]
    lines += [f"{deep}    c{tag} = {_quad(bits, tag)}" for tag in tags]
    for digit in range(DIGITS):
        lines += [f"{deep}    v = spread(numbers, (blocks * {ROWS} + row) * {DIGITS} + {digit}, 16)"]
        for tag in tags:
            lines += _product(bits, None, f"a{tag}_{digit}_0", f"c{tag}", deep + "    ")
    lines += [f"{shallow}v = spread(factors, one, 16)"]
    for tag in tags:
        whole = "(" + " + ".join(f"a{tag}_{{digit}}_{chain}" for chain in range(chains)) + ")"
        lines += [f"{shallow}zero = zero{tag}"]
        lines += _sums(whole, shallow, f"one * {DIGITS} + {{digit}}")
        lines += [f"{shallow}part{tag} = fma(t, v, part{tag})"]
    for tag in tags:
        step = f"beside(scale, beside{tag} + group * kept{tag}, kept{tag})"
        lines += [f"            total{tag} = fma(part{tag}, {step}, total{tag})"]
    lines += [f"        store_some(y, strip{tag} * 16, total{tag}, kept{tag})" for tag in tags]
    return "\n".join([*lines, ""])


def gemm_source(name: str, bits: int) -> str:
    """Y = X Wᵀ + bias: kernel (..., x, sums, factors, span, rows, bias, y, start, stop) on strips; y [rows, out].

    `span` blocks share a factor and are decoded at once.
    """
    strips = strips_at_once()
    tags = [str(one) for one in range(strips)]
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, x, sums, factors, span, rows, bias, y, start, stop):",
        *head(bits, "convert"),
        "    quads, spans = (inputs + 3) // 4, (inputs + 32 * span - 1) // (32 * span)",
        "    group_spans = max(1, run // (32 * span)) if runs > 1 else spans",
        f"    panel = scratch(min(span * {ROWS}, quads) * {16 * strips}, np.uint32)",
        "    nothing = splat(np.int32(0), 16)",
        "    base = splat(np.float32(256), 16)",
        "    for wide in range(start, stop, 16):",
        "        for one in range(spans):",
        "            until = min(one * span + span, blocks)",
        f"            count = min(quads - one * span * {ROWS}, span * {ROWS})",
        f"            for first in range(wide, min(wide + 16, stop), {strips}):",
        f"                for other in range(min({strips}, stop - first)):",
        *strip_lines(" " * 20, "(first + other)", "_"),
        "                    for block in range(one * span, until):",
    ]
    inner, inmost, deep = " " * 16, " " * 20, " " * 24
    lines += word_lines(bits, deep, "_")
    for row in range(ROWS):
        to_panel = f"((block - one * span) * {ROWS} + {row}) * {16 * strips} + 16 * other"
        lines += [f"{deep}store(panel, {to_panel}, {row_expression(bits, row, 'w__')})"]
    lines += [
        f"{inmost}if one == spans - 1:",
        f"{deep}for row in range((rest + 3) // 4):",
        f"{deep}    to = ((blocks - one * span) * {ROWS} + row) * {16 * strips} + 16 * other",
        f"{deep}    store(panel, to, {_quad(bits, '_')})",
    ]
    for tag in tags:
        lines += [
            f"{inner}strip{tag} = min(first + {tag}, stop - 1)",
            *strip_lines(inner, f"strip{tag}", tag),
            f"{inner}zero{tag} = beside(zero_point, beside{tag} + one // group_spans * kept{tag}, kept{tag})",
            f"{inner}scale{tag} = beside(scale, beside{tag} + one // group_spans * kept{tag}, kept{tag})",
        ]
    every = [(tag, digit, row) for row in range(BATCH) for digit in range(DIGITS) for tag in tags]
    lines += [
        f"{inner}for row in range(0, rows, {BATCH}):",
        *(f"{inmost}a{tag}_{digit}_{one} = nothing" for tag, digit, one in every),
        f"{inmost}at = (row * quads + one * span * {ROWS * BATCH}) * {DIGITS}",
        f"{inmost}for k in range(count):",
        *(f"{inmost}    c{tag} = load(panel, k * {16 * strips} + {16 * int(tag)}, 16)" for tag in tags),
    ]
    for row in range(BATCH):
        for digit in range(DIGITS):
            lines += [f"{inmost}    v = spread(x, at + k * {DIGITS * BATCH} + {digit * BATCH + row}, 16)"]
            for tag in tags:
                total = f"a{tag}_{digit}_{row}"
                lines += [f"{inmost}    {total} = dot_u8_i8({total}, c{tag}, v)"]
    lines += [f"{inmost}at = row * spans + one * {BATCH}"]
    for row in range(BATCH):
        lines += [f"{inmost}if row + {row} < rows:", f"{deep}v = spread(factors, at + {row}, 16)"]
        for tag in tags:
            # A strip that stands for the one before it is not written.
            lines += [f"{deep}if first + {tag} < stop:", f"{deep}    zero = zero{tag}"]
            place = f"at * {DIGITS} + {{digit}} * {BATCH} + {row}"
            lines += _sums(f"a{tag}_{{digit}}_{row}", deep + "    ", place)
            to = f"(row + {row}) * outputs + strip{tag} * 16"
            lines += [
                f"{deep}    if one > 0:",
                f"{deep}        before = load_some(y, {to}, kept{tag}, 16)",
                f"{deep}    else:",
                f"{deep}        before = load_some(bias, strip{tag} * 16, kept{tag}, 16)",
                f"{deep}    store_some(y, {to}, fma(t * v, scale{tag}, before), kept{tag})",
            ]
    return "\n".join([*lines, ""])
