"""Source of the products with packed weights, for one bit width and one way to decode.

`permute`: a code of up to 4 bits looks up a table of 16 in one instruction, so a codebook costs what a grid does.
`convert`: a code becomes the number it is; for grids. `gather`: a code looks up a table in memory; for codebooks.
"""

from __future__ import annotations

from typing import Literal

from workbench.kernels._features import wide
from workbench.kernels.code_tiles import INPUTS
from workbench.kernels.lanes import row_expression

Way = Literal["permute", "convert", "gather"]

CHAINS = 4  # sums a tile in the product with one vector: an addition waits for four cycles, and two start in each


def tiles_at_once() -> int:
    """Tiles decoded together: as many as the registers hold sums for."""
    return 2 if wide() else 1


def batch_at_once() -> int:
    """Rows of the other matrix multiplied together."""
    return 8 if wide() else 4


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


def _loads(bits: int, tiles: int, indent: str) -> list[str]:
    return [
        f"{indent}w{tile}_{at} = view(load(packed, at{tile} + {64 * at}, 64), np.uint32)"
        for at in range(bits)
        for tile in range(tiles)
    ]


def _joined(bits: int, row: int, tiles: int, indent: str) -> list[str]:
    """A row whose codes two words share, put together."""
    if place(bits, 4 * row) is not None:
        return []
    return [f"{indent}c{tile} = {row_expression(bits, row, f'w{tile}_')}" for tile in range(tiles)]


def _decoded(way: Way, bits: int, k: int, tile: int, *, in_place: bool = False) -> str:
    """Source of the sixteen values of input k; in_place: too large by 2^left_in_place, for `convert`."""
    row, byte = divmod(k, 4)
    shift = place(bits, k)
    if shift is None:
        word, shift, width = f"c{tile}", 8 * byte, 8
    else:
        word, width = f"w{tile}_{row * bits // 8}", bits
    moved = f"{word} >> {shift}" if shift else word
    if way == "permute":
        return f"permute16(table, {moved})"
    mask = 2**width - 1
    if shift + width == 32:
        number = moved
    elif in_place and way == "convert":
        number = f"{word} & np.uint32({mask << shift:#x})"
    else:
        number = f"({moved}) & np.uint32({mask:#x})"
    if way == "gather":
        return f"gather(levels, {number})"
    return f"convert(view({number}, np.int32), np.float32)"


def gemv_source(name: str, way: Way, bits: int) -> str:
    """y = W x: kernel (packed, levels, scale, zero_point, x, sums, span, run, y, start, stop) on tiles start..stop−1.

    packed [tiles · blocks · bits · 64]; levels [16] or [256]; scale, zero_point [tiles · runs · 16]; x [32 · blocks],
    scaled down by `left_in_place` for `convert`; sums [spans] of x over `span` blocks; `run` spans share a scale.
    """
    tiles = tiles_at_once()
    lines = [
        f"def {name}(packed, levels, scale, zero_point, x, sums, span, run, y, start, stop):",
        f"    blocks = x.size // {INPUTS}",
        "    runs = (sums.size + run - 1) // run",
        "    none = splat(np.float32(0), 16)",
        *(["    table = load(levels, 0, 16)"] if way == "permute" else []),
        f"    for first in range(start, stop, {tiles}):",
    ]
    for tile in range(tiles):
        lines += [
            f"        tile{tile} = min(first + {tile}, stop - 1)",
            f"        total{tile} = none",
        ]
    lines += ["        for group in range(runs):"]
    lines += [f"            part{tile} = none" for tile in range(tiles)]
    lines += ["            for one in range(group * run, min(group * run + run, sums.size)):"]
    lines += [f"                a{tile}_{chain} = none" for tile in range(tiles) for chain in range(CHAINS)]
    lines += ["                for block in range(one * span, min(one * span + span, blocks)):"]
    deep = " " * 20
    lines += [f"{deep}at{tile} = (tile{tile} * blocks + block) * {64 * bits}" for tile in range(tiles)]
    lines += _loads(bits, tiles, deep)
    for k in range(INPUTS):
        if k % 4 == 0:
            lines += _joined(bits, k // 4, tiles, deep)
        lines += [f"{deep}v = spread(x, block * {INPUTS} + {k}, 16)"]
        for tile in range(tiles):
            chain = f"a{tile}_{k % CHAINS}"
            lines += [f"{deep}{chain} = fma({_decoded(way, bits, k, tile, in_place=True)}, v, {chain})"]
    lines += ["                v = spread(sums, one, 16)"]
    for tile in range(tiles):
        zero = f"load(zero_point, (tile{tile} * runs + group) * 16, 16)"
        whole = f"(a{tile}_0 + a{tile}_1) + (a{tile}_2 + a{tile}_3)"
        lines += [f"                part{tile} += {whole} - {zero} * v"]
    lines += [
        f"            total{tile} = fma(part{tile}, load(scale, (tile{tile} * runs + group) * 16, 16), total{tile})"
        for tile in range(tiles)
    ]
    lines += [f"        store(y, tile{tile} * 16, total{tile})" for tile in range(tiles)]
    return "\n".join([*lines, ""])


def gemm_source(name: str, way: Way, bits: int) -> str:
    """Y = X Wᵀ: kernel (packed, levels, scale, zero_point, run, x, rows, y, chunk, across, start, stop) on tiles.

    packed, levels, scale, zero_point as in `gemv_source`, `run` blocks sharing a scale; x [rows, 32 · blocks, batch],
    groups of `batch_at_once` rows; y [batch · rows, 16 · across]; `chunk` blocks are decoded at once.
    """
    tiles, batch = tiles_at_once(), batch_at_once()
    lines = [
        f"def {name}(packed, levels, scale, zero_point, run, x, rows, y, chunk, across, start, stop):",
        f"    blocks = x.size // (rows * {batch * INPUTS})",
        "    runs = (blocks + run - 1) // run",
        f"    memory = np.empty(chunk * {INPUTS * 16 * tiles} + 16, np.float32)",
        "    panel = memory[(-memory.ctypes.data // 4) % 16 :]",
        *(["    table = load(levels, 0, 16)"] if way == "permute" else []),
        "    for wide in range(start, stop, 16):",
        "        for deep in range(0, blocks, chunk):",
        "            until = min(deep + chunk, blocks)",
        f"            for first in range(wide, min(wide + 16, stop), {tiles}):",
    ]
    inner = " " * 16
    lines += [f"{inner}tile{tile} = min(first + {tile}, stop - 1)" for tile in range(tiles)]
    lines += [f"{inner}for block in range(deep, until):"]
    inmost = inner + "    "
    for tile in range(tiles):
        lines += [
            f"{inmost}at{tile} = (tile{tile} * blocks + block) * {64 * bits}",
            f"{inmost}group{tile} = (tile{tile} * runs + block // run) * 16",
            f"{inmost}scale{tile} = load(scale, group{tile}, 16)",
            f"{inmost}zero{tile} = load(zero_point, group{tile}, 16)",
        ]
    lines += [f"{inmost}to = (block - deep) * {INPUTS * 16 * tiles}", *_loads(bits, tiles, inmost)]
    for k in range(INPUTS):
        if k % 4 == 0:
            lines += _joined(bits, k // 4, tiles, inmost)
        for tile in range(tiles):
            value = f"({_decoded(way, bits, k, tile)} - zero{tile}) * scale{tile}"
            lines += [f"{inmost}store(panel, to + {(k * tiles + tile) * 16}, {value})"]
    lines += [f"{inner}for row in range(rows):"]
    sums = [(row, tile) for row in range(batch) for tile in range(tiles)]
    lines += [
        f"{inmost}if deep == 0:",
        *(f"{inmost}    a{row}_{tile} = splat(np.float32(0), 16)" for row, tile in sums),
    ]
    lines += [f"{inmost}else:"]
    at = f"(row * {batch} + {{row}}) * (16 * across) + 16 * tile{{tile}}"
    lines += [f"{inmost}    a{row}_{tile} = load(y, {at.format(row=row, tile=tile)}, 16)" for row, tile in sums]
    lines += [
        f"{inmost}at = (row * blocks + deep) * {INPUTS * batch}",
        f"{inmost}for k in range((until - deep) * {INPUTS}):",
        *(f"{inmost}    b{tile} = load(panel, k * {16 * tiles} + {16 * tile}, 16)" for tile in range(tiles)),
    ]
    for row in range(batch):
        lines += [f"{inmost}    v = spread(x, at + k * {batch} + {row}, 16)"]
        lines += [f"{inmost}    a{row}_{tile} = fma(b{tile}, v, a{row}_{tile})" for tile in range(tiles)]
    lines += [f"{inmost}store(y, {at.format(row=row, tile=tile)}, a{row}_{tile})" for row, tile in sums]
    return "\n".join([*lines, ""])
