"""Source of the products of packed codes with activations in fixed point, by dot products of bytes.

An activation is a whole number of up to 24 bits in digits of base 256, each a signed byte, times a factor that a span
of inputs shares. Products of codes with one digit at a time are summed exactly.
"""

from __future__ import annotations

from workbench.kernels.lanes import ROWS, row_expression

TILES = 2


def _sums(totals: str, digits: int, indent: str, sums_at: str) -> list[str]:
    """Source that joins the sums of all digits, without the zero point's share, to one number `t`."""
    lines = []
    for digit in reversed(range(digits)):
        total, at = totals.format(digit=digit), sums_at.format(digit=digit)
        one = f"convert({total}, np.float32) - zero * spread(sums, {at}, 16)"
        lines.append(f"{indent}t = {one}" if digit == digits - 1 else f"{indent}t = fma(t, base, {one})")
    return lines


def gemv_source(name: str, bits: int, digits: int) -> str:
    """y = W x: kernel (packed, scale, zero_point, x, sums, factors, span, run, y, start, stop) on tiles start..stop−1.

    packed [tiles · blocks · bits · 64]; scale, zero_point [tiles · runs · 16]; x uint32 [8 · blocks, digits], four
    inputs in each; sums [spans, digits] of each digit over `span` blocks; factors [spans]; `run` spans share a scale.
    """
    chains = 4 if digits == 1 else 2
    lines = [
        f"def {name}(packed, scale, zero_point, x, sums, factors, span, run, y, start, stop):",
        f"    blocks = x.size // {ROWS * digits}",
        "    runs = (factors.size + run - 1) // run",
        "    none = splat(np.float32(0), 16)",
        "    nothing = splat(np.int32(0), 16)",
        "    base = splat(np.float32(256), 16)",
        f"    for first in range(start, stop, {TILES}):",
        *(f"        tile{tile} = min(first + {tile}, stop - 1)" for tile in range(TILES)),
        *(f"        total{tile} = none" for tile in range(TILES)),
        "        for group in range(runs):",
        *(f"            part{tile} = none" for tile in range(TILES)),
        "            for one in range(group * run, min(group * run + run, factors.size)):",
    ]
    every = [(tile, digit, chain) for tile in range(TILES) for digit in range(digits) for chain in range(chains)]
    lines += [f"                a{tile}_{digit}_{chain} = nothing" for tile, digit, chain in every]
    lines += ["                for block in range(one * span, min(one * span + span, blocks)):"]
    deep = " " * 20
    lines += [f"{deep}at{tile} = (tile{tile} * blocks + block) * {64 * bits}" for tile in range(TILES)]
    lines += [
        f"{deep}w{tile}_{at} = view(load(packed, at{tile} + {64 * at}, 64), np.uint32)"
        for at in range(bits)
        for tile in range(TILES)
    ]
    for row in range(ROWS):
        lines += [f"{deep}c{tile} = {row_expression(bits, row, f'w{tile}_')}" for tile in range(TILES)]
        for digit in range(digits):
            lines += [f"{deep}v = spread(x, (block * {ROWS} + {row}) * {digits} + {digit}, 16)"]
            for tile in range(TILES):
                total = f"a{tile}_{digit}_{row % chains}"
                lines += [f"{deep}{total} = dot_u8_i8({total}, c{tile}, v)"]
    shallow = " " * 16
    lines += [f"{shallow}v = spread(factors, one, 16)"]
    for tile in range(TILES):
        whole = "(" + " + ".join(f"a{tile}_{{digit}}_{chain}" for chain in range(chains)) + ")"
        lines += [f"{shallow}zero = load(zero_point, (tile{tile} * runs + group) * 16, 16)"]
        lines += _sums(whole, digits, shallow, f"one * {digits} + {{digit}}")
        lines += [f"{shallow}part{tile} = fma(t, v, part{tile})"]
    lines += [
        f"            total{tile} = fma(part{tile}, load(scale, (tile{tile} * runs + group) * 16, 16), total{tile})"
        for tile in range(TILES)
    ]
    lines += [f"        store(y, tile{tile} * 16, total{tile})" for tile in range(TILES)]
    return "\n".join([*lines, ""])


def gemm_source(name: str, bits: int, digits: int) -> str:
    """Y = X Wᵀ: kernel (packed, scale, zero_point, x, sums, factors, span, run, rows, y, tiles, start, stop) on tiles.

    x uint32 [rows, 8 · blocks, digits, step], a group of `step` rows at a time, four inputs in each; sums [rows, spans,
    digits, step]; factors [rows, spans, step]; y [step · rows, 16 · tiles]; `span` blocks are decoded at once.
    """
    step = batch_step(digits)
    lines = [
        f"def {name}(packed, scale, zero_point, x, sums, factors, span, run, rows, y, tiles, start, stop):",
        f"    blocks = x.size // (rows * {ROWS * digits * step})",
        f"    spans = factors.size // (rows * {step})",
        "    runs = (spans + run - 1) // run",
        f"    memory = np.empty((min(span, blocks) * {ROWS * TILES} + 1) * 16, np.uint32)",
        "    panel = memory[(-memory.ctypes.data // 4) % 16 :]",
        "    nothing = splat(np.int32(0), 16)",
        "    base = splat(np.float32(256), 16)",
        "    for wide in range(start, stop, 16):",
        "        for one in range(spans):",
        "            until = min(one * span + span, blocks)",
        f"            for first in range(wide, min(wide + 16, stop), {TILES}):",
    ]
    inner, inmost = " " * 16, " " * 20
    for tile in range(TILES):
        group = f"(tile{tile} * runs + one // run) * 16"
        lines += [
            f"{inner}tile{tile} = min(first + {tile}, stop - 1)",
            f"{inner}zero{tile} = load(zero_point, {group}, 16)",
            f"{inner}scale{tile} = load(scale, {group}, 16)",
        ]
    lines += [f"{inner}for block in range(one * span, until):"]
    for tile in range(TILES):
        lines += [f"{inmost}at{tile} = (tile{tile} * blocks + block) * {64 * bits}"]
        lines += [
            f"{inmost}w{tile}_{at} = view(load(packed, at{tile} + {64 * at}, 64), np.uint32)" for at in range(bits)
        ]
        for row in range(ROWS):
            to_panel = f"((block - one * span) * {ROWS} + {row}) * {16 * TILES} + {16 * tile}"
            lines += [f"{inmost}store(panel, {to_panel}, {row_expression(bits, row, f'w{tile}_')})"]
    every = [(tile, digit, row) for row in range(step) for digit in range(digits) for tile in range(TILES)]
    lines += [
        f"{inner}for row in range(rows):",
        *(f"{inmost}a{tile}_{digit}_{row} = nothing" for tile, digit, row in every),
        f"{inmost}at = (row * blocks + one * span) * {ROWS * digits * step}",
        f"{inmost}for k in range((until - one * span) * {ROWS}):",
        *(f"{inmost}    c{tile} = load(panel, k * {16 * TILES} + {16 * tile}, 16)" for tile in range(TILES)),
    ]
    for row in range(step):
        for digit in range(digits):
            lines += [f"{inmost}    v = spread(x, at + k * {digits * step} + {digit * step + row}, 16)"]
            for tile in range(TILES):
                total = f"a{tile}_{digit}_{row}"
                lines += [f"{inmost}    {total} = dot_u8_i8({total}, c{tile}, v)"]
    lines += [f"{inmost}at = row * spans + one"]
    for row in range(step):
        lines += [f"{inmost}v = spread(factors, at * {step} + {row}, 16)"]
        to = [f"(row * {step} + {row}) * (16 * tiles) + 16 * tile{tile}" for tile in range(TILES)]
        for tile in range(TILES):
            lines += [f"{inmost}zero = zero{tile}"]
            lines += _sums(f"a{tile}_{{digit}}_{row}", digits, inmost, f"(at * {digits} + {{digit}}) * {step} + {row}")
            lines += [f"{inmost}t{tile} = t * v"]
        # Both are read before one is written: the two tiles are the same one where their number is odd.
        lines += [f"{inmost}if one > 0:"]
        lines += [f"{inmost}    t{n} = fma(t{n}, scale{n}, load(y, {to[n]}, 16))" for n in range(TILES)]
        lines += [f"{inmost}else:"]
        lines += [f"{inmost}    t{n} = t{n} * scale{n}" for n in range(TILES)]
        lines += [f"{inmost}store(y, {to[n]}, t{n})" for n in range(TILES)]
    return "\n".join([*lines, ""])


def batch_step(digits: int) -> int:
    """Rows of activations multiplied at once: as many as have registers for their sums."""
    return 8 if digits == 1 else 4
