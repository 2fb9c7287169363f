"""Source of the products with packed weights, for one bit width and one way to decode.

All kernels take packed, levels, scale, zero_point and (outputs, inputs, run) first, as `LowBit.arguments` lists them.
"""

from __future__ import annotations

from workbench.kernels.compiler.features import register_file, wide
from workbench.kernels.lowbit.byte_lanes import row_expression
from workbench.kernels.lowbit.code_tiles import INPUTS
from workbench.kernels.lowbit.weights import Way

CHAINS = 4  # sums a strip in the product with one vector: an addition waits for four cycles, and two start in each


def strips_at_once() -> int:
    """Strips multiplied together."""
    return 2 if wide() else 1


def rows_at_once(batch: int) -> int:
    """Rows of the other matrix multiplied together: as many as have registers for their sums, or what wastes fewer."""
    if wide():
        return 8
    registers = register_file()
    strip = 16 // registers.floats  # registers that an input's weights, or a row's sums, take
    most = max(2, (registers.count - strip - 1) // strip)
    return min((most, max(2, most - 2)), key=lambda rows: -(-batch // rows) * (rows + 1))


def place(bits: int, k: int) -> int | None:
    """Lowest bit of the code of input k (0..31) in its 32-bit lane; None where two words share it."""
    row, byte = divmod(k, 4)
    shift = row * bits % 8
    return 8 * byte + shift if shift + bits <= 8 else None


def left_in_place(bits: int, k: int) -> int:
    """Shift by which `convert` leaves the code of input k too large; its partner has to be made as much smaller."""
    shift = place(bits, k)
    shift = 8 * (k % 4) if shift is None else shift
    width = bits if place(bits, k) is not None else 8
    return 0 if shift + width == 32 else shift


def is_codebook(way: Way) -> bool:
    """Whether what is decoded so is in a codebook for sure, with no scale and zero point."""
    return way == "gather" or (way == "permute" and not wide())


def head(bits: int, way: Way) -> list[str]:
    """Source of what every kernel with packed weights begins with."""
    return [
        "    outputs, inputs, run = sizes",
        f"    blocks, rest = inputs // {INPUTS}, inputs % {INPUTS}",
        "    runs = max(1, (inputs + run - 1) // run)",
        f"    strip_bytes = blocks * {64 * bits} + (rest * {bits} + 7) // 8 * 16",
        "    whole_strips = outputs // 16",
        f"    filled = widened(packed, whole_strips * strip_bytes, outputs % 16, blocks * {bits})",
        *(_table(bits) if way == "permute" else []),
    ]


def _table_size(bits: int) -> int:
    """Levels of a table that one instruction reads; two such tables and a choice make one of 16."""
    return 8 if bits <= 3 and not wide() else 16


def _table(bits: int) -> list[str]:
    """Source of a table that heeds the lowest bits of an index only."""
    size = _table_size(bits)
    return [
        "    repeated = levels",
        f"    if levels.size < {size}:",
        f"        repeated = scratch({size}, np.float32)",
        f"        for i in range({size}):",
        f"            repeated[i] = levels[min(i & {2**bits - 1}, levels.size - 1)]",
        f"    table = load(repeated, 0, {size})",
    ]


def strip_lines(indent: str, strip: str, tag: str = "") -> list[str]:
    """Source of where strip number `strip` begins and how many outputs it has."""
    return [
        f"{indent}kept{tag} = min(16, outputs - {strip} * 16)",
        f"{indent}codes{tag} = {strip} * strip_bytes",
        f"{indent}words{tag} = packed if {strip} < whole_strips else filled",
        f"{indent}word{tag} = codes{tag} if {strip} < whole_strips else 0",
        f"{indent}beside{tag} = {strip} * 16 * runs",
    ]


def word_lines(bits: int, indent: str, tag: str = "") -> list[str]:
    """Source of the words of a block."""
    at = f"word{tag} + block * {64 * bits} + {{row}}"
    return [f"{indent}w{tag}_{r} = view(load(words{tag}, {at.format(row=64 * r)}, 64), np.uint32)" for r in range(bits)]


def joined_lines(bits: int, row: int, indent: str, tag: str = "") -> list[str]:
    """A row whose codes two words share, put together."""
    if place(bits, 4 * row) is not None:
        return []
    return [f"{indent}c{tag} = {row_expression(bits, row, f'w{tag}_')}"]


def value(way: Way, bits: int, code: str) -> str:
    if way == "permute":
        return f"permute{_table_size(bits)}(table, {code})"
    if way == "gather":
        return f"gather(levels, {code})"
    return f"convert(view({code}, np.int32), np.float32)"


def decoded(way: Way, bits: int, k: int, tag: str = "", *, in_place: bool = False) -> str:
    """Source of the sixteen values of input k; in_place: too large by 2^left_in_place, for `convert`."""
    row, byte = divmod(k, 4)
    shift = place(bits, k)
    if shift is None:
        word, shift, width = f"c{tag}", 8 * byte, 8
    else:
        word, width = f"w{tag}_{row * bits // 8}", bits
    moved = f"{word} >> {shift}" if shift else word
    if way == "permute":
        return value(way, bits, moved)
    mask = 2**width - 1
    if shift + width == 32:
        return value(way, bits, moved)
    if in_place and way == "convert":
        return value(way, bits, f"({word} & np.uint32({mask << shift:#x}))")
    return value(way, bits, f"(({moved}) & np.uint32({mask:#x}))")


def gemv_source(name: str, way: Way, bits: int) -> str:
    """y = W x + bias: kernel (..., x, factors, bias, span, y, start, stop) on strips start..stop−1.

    x [1, in]; y [1, out]; factors [32] that undo `left_in_place` for `convert`; `span` blocks after which the zero
    point is taken off.
    """
    strips = strips_at_once()
    tags = [str(one) for one in range(strips)]
    scaled = way == "convert"
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, rows, factors, bias, span, target, start, stop):",
        *head(bits, way),
        "    x, y = rows.reshape(-1), target.reshape(-1)",
        "    group_spans = run // (32 * span)",
        "    spans = (blocks + span - 1) // span",
        "    sums = scratch(spans, np.float32)",
        "    add_up(x, 32 * span, blocks * 32, sums)",
        *(["    scaled = scratch(blocks * 32, np.float32)", "    scale_down(x, factors, scaled)"] if scaled else []),
        "    total_rest = np.float32(0)",
        "    for k in range(blocks * 32, inputs):",
        "        total_rest += x[k]",
        "    none = splat(np.float32(0), 16)",
        f"    for first in range(start, stop, {strips}):",
    ]
    for tag in tags:
        lines += [f"        strip{tag} = min(first + {tag}, stop - 1)", *strip_lines(" " * 8, f"strip{tag}", tag)]
        lines += [f"        total{tag} = load_some(bias, strip{tag} * 16, kept{tag}, 16)"]
    lines += ["        for group in range((spans + group_spans - 1) // group_spans):"]
    for tag in tags:
        zero = f"beside(zero_point, beside{tag} + group * kept{tag}, kept{tag})"
        lines += [f"            part{tag} = none", f"            zero{tag} = {zero}"]
    lines += ["            for one in range(group * group_spans, min(group * group_spans + group_spans, spans)):"]
    lines += [f"                a{tag}_{chain} = none" for tag in tags for chain in range(CHAINS)]
    lines += ["                for block in range(one * span, min(one * span + span, blocks)):"]
    deep = " " * 20
    for tag in tags:
        lines += word_lines(bits, deep, tag)
    for k in range(INPUTS):
        if k % 4 == 0:
            for tag in tags:
                lines += joined_lines(bits, k // 4, deep, tag)
        lines += [f"{deep}v = spread({'scaled' if scaled else 'x'}, block * {INPUTS} + {k}, 16)"]
        for tag in tags:
            chain = f"a{tag}_{k % CHAINS}"
            lines += [f"{deep}{chain} = fma({decoded(way, bits, k, tag, in_place=True)}, v, {chain})"]
    lines += ["                v = spread(sums, one, 16)"]
    for tag in tags:
        whole = f"(a{tag}_0 + a{tag}_1) + (a{tag}_2 + a{tag}_3)"
        lines += [f"                part{tag} += {whole} - zero{tag} * v"]
    for tag in tags:
        step = f"beside(scale, beside{tag} + group * kept{tag}, kept{tag})"
        lines += [f"            total{tag} = fma(part{tag}, {step}, total{tag})"]
    lines += ["        if rest:"]
    for tag in tags:
        last = f"beside{tag} + (runs - 1) * kept{tag}, kept{tag}"
        code = f"rest_code(packed, codes{tag} + blocks * {4 * bits} * kept{tag}, kept{tag}, {bits}, k)"
        lines += [
            f"            part{tag} = none",
            "            for k in range(rest):",
            f"                code = {code}",
            f"                part{tag} = fma({value(way, bits, 'code')}, spread(x, blocks * 32 + k, 16), part{tag})",
            f"            part{tag} -= beside(zero_point, {last}) * total_rest",
            f"            total{tag} = fma(part{tag}, beside(scale, {last}), total{tag})",
        ]
    lines += [f"        store_some(y, strip{tag} * 16, total{tag}, kept{tag})" for tag in tags]
    return "\n".join([*lines, ""])
