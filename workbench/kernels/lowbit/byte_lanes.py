"""Codes of 1 to 8 bits in byte lanes: the layout that kernels compute on. (A file holds a dense stream: `bitpack`.)

512 codes make a group of 8 rows of 64 codes. Packed to b bits it is b rows of 64 bytes. Code j of row r lies in byte
column j alone: the column's b bytes, read as one little-endian number of 8·b bits, hold the code at bit r·b. So a shift
and a mask of whole vectors yield 64 codes, which are neighbours both packed and unpacked. A tensor is [groups, b, 64],
its last group filled up with zeros: n codes take ceil(n / 512) · 64 · b bytes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.features import register_file
from workbench.kernels.compiler.generate import generated
from workbench.kernels.compiler.jit import jit
from workbench.kernels.threads.shares import split
from workbench.kernels.vector.aligned import aligned
from workbench.kernels.vector.registers import convert, lane_or, load, splat, store, view, within
from workbench.kernels.vector.stretches import clear, copy, scratch

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

ROWS = 8
LANES = 64
GROUP = ROWS * LANES
_SHARE = 64  # groups: a thread's share is a multiple of this


def packed_shape(count: int, bits: int) -> tuple[int, int, int]:
    """Shape of the array that holds `count` codes."""
    return -(-count // GROUP), bits, LANES


def pack(codes: Bytes, bits: int, *, into: Bytes | None = None, threads: int = 1) -> Bytes:
    """`codes` [n] as [ceil(n / 512), bits, 64], written to `into` if given.

    Raises ValueError for a width outside 1..8, a code too wide for it, or an `into` of another shape.
    """
    check_width(bits)
    codes = np.ascontiguousarray(codes, np.uint8).reshape(-1)
    packed = _target(into, packed_shape(codes.size, bits), np.uint8)
    function, whole = pack_groups(bits), codes.size // GROUP
    seen = split(function, whole, threads, codes, packed.reshape(-1), step=_SHARE)
    if whole < len(packed):
        last = np.zeros(GROUP, np.uint8)
        last[: codes.size - whole * GROUP] = codes[whole * GROUP :]
        seen.append(function(last, packed[whole:].reshape(-1), 0, 1))
    if any(one >> bits for one in seen):
        raise ValueError(f"A code does not fit into {bits} bits.")
    return packed


def unpack(packed: Bytes, bits: int, count: int, *, into: Bytes | None = None, threads: int = 1) -> Bytes:
    """The first `count` codes, [count], written to `into` if given.

    Raises ValueError for a width outside 1..8, or where the shape of `packed` or `into` is not that of `count` codes.
    """
    check_width(bits)
    packed = _packed(packed, bits, count)
    codes = _target(into, (count,), np.uint8)
    function, whole = unpack_groups(bits), count // GROUP
    split(function, whole, threads, packed.reshape(-1), codes, step=_SHARE)
    if whole < len(packed):
        last = np.empty(GROUP, np.uint8)
        function(packed[whole:].reshape(-1), last, 0, 1)
        codes[whole * GROUP :] = last[: count - whole * GROUP]
    return codes


def quantise(
    values: Floats,
    bits: int,
    scale: Floats,
    zero_point: Floats,
    *,
    highest: int | None = None,
    size: int = 0,
    into: Bytes | None = None,
    threads: int = 1,
) -> Bytes:
    """Round `values` [n] or [rows, columns] to a uniform grid and pack the codes, in one pass over memory.

    code = rint(value / scale + zero point), kept within 0..highest (default 2^bits − 1), in float32, halves to even;
    a NaN becomes 0. scale, zero_point: [1] for one grid, [rows] for one a row, or, with `size`,
    [rows · ceil(columns / size)] for runs of `size` neighbours inside a row. Returns what `pack` makes of the codes.
    Raises ValueError for shapes that do not fit.
    """
    check_width(bits)
    values = np.ascontiguousarray(values, np.float32)
    scale, zero_point, columns, run = _runs(values.shape, scale, zero_point, size)
    highest = 2**bits - 1 if highest is None else highest
    if not 0 <= highest < 2**bits:
        raise ValueError(f"{highest} is not a code of {bits} bits.")
    packed = _target(into, packed_shape(values.size, bits), np.uint8)
    function = generated(__name__, f"_quantise_{bits}", lambda: _quantise_source(bits))
    arguments = (values.reshape(-1), np.float32(highest), scale, zero_point, columns, run, packed.reshape(-1))
    split(function, len(packed), threads, *arguments, step=_SHARE)
    return packed


def dequantise(
    packed: Bytes,
    bits: int,
    shape: tuple[int, ...],
    scale: Floats,
    zero_point: Floats,
    *,
    size: int = 0,
    into: Floats | None = None,
    threads: int = 1,
) -> Floats:
    """scale · (code − zero point) as float32 of `shape`, [n] or [rows, columns], in one pass; see `quantise`.

    Raises ValueError for shapes that do not fit.
    """
    check_width(bits)
    packed = _packed(packed, bits, math.prod(shape))
    scale, zero_point, columns, run = _runs(shape, scale, zero_point, size)
    values = _target(into, shape, np.float32)
    function = generated(__name__, f"_dequantise_{bits}", lambda: _dequantise_source(bits))
    arguments = (packed.reshape(-1), scale, zero_point, columns, run, values.reshape(-1))
    split(function, len(packed), threads, *arguments, step=_SHARE)
    return values


def check_width(bits: int) -> None:
    """Raises ValueError for a width outside 1..8."""
    if not 1 <= bits <= 8:
        raise ValueError(f"A code has 1 to 8 bits, not {bits}.")


def pack_groups(bits: int) -> Any:
    """Kernel (codes [512·groups], packed [64·bits·groups], start, stop): packs groups start to stop − 1.

    Returns all codes or-ed together. Arrays of bytes, C-contiguous, unchecked.
    """
    return generated(__name__, f"_pack_{bits}", lambda: _pack_source(bits))


def unpack_groups(bits: int) -> Any:
    """Kernel (packed [64·bits·groups], codes [512·groups], start, stop): unpacks groups start to stop − 1."""
    return generated(__name__, f"_unpack_{bits}", lambda: _unpack_source(bits))


def row_expression(bits: int, row: int, word: str = "w") -> str:
    """Source of the 64 codes of a row, as 32-bit lanes, out of the vectors `w0`, `w1`, ... that hold the packed rows.

    A code that two bytes share is put together from both.
    """
    if bits == 8:
        return f"{word}{row}"
    at, shift = divmod(row * bits, 8)
    low = f"({word}{at} >> {shift})" if shift else f"{word}{at}"
    inside = 8 - shift
    if bits <= inside:
        return f"({low} & {_each_byte(2**bits - 1)})"
    high = _each_byte(2**bits - 2**inside)
    return f"({low} & {_each_byte(2**inside - 1)} | {word}{at + 1} << {inside} & {high})"


def _each_byte(byte: int) -> str:
    return f"np.uint32({byte * 0x01010101:#x})"


def _pack_rows(bits: int) -> list[str]:
    """Source of each packed row out of the vectors `c0` to `c7`, 64 codes each."""
    terms: list[list[str]] = [[] for _ in range(bits)]
    for row in range(ROWS):
        at, shift = divmod(row * bits, 8)
        inside = 8 - shift
        moved = f"c{row} << {shift}" if shift else f"c{row}"
        if bits <= inside:
            terms[at].append(f"({moved})")
        else:
            terms[at].append(f"({moved} & {_each_byte(0xFF << shift & 0xFF)})")
            terms[at + 1].append(f"(c{row} >> {inside} & {_each_byte(2 ** (bits - inside) - 1)})")
    return [" | ".join(one) for one in terms]


def _pack_source(bits: int) -> str:
    if bits == 8:  # every byte is a code and lies where it lay
        return f"""\
def _pack_8(codes, packed, start, stop):
    copy(codes, start * {GROUP}, (stop - start) * {GROUP}, packed, start * {GROUP})
    return 0
"""
    return "\n".join(
        [
            f"def _pack_{bits}(codes, packed, start, stop):",
            f"    seen = splat(np.uint32(0), {register_file().floats})",
            "    for group in range(start, stop):",
            *_packing(bits, f"group * {GROUP}", "        "),
            f"            seen |= {' | '.join(f'c{row}' for row in range(ROWS))}",
            "    bits = lane_or(seen)",
            "    return (bits | bits >> 8 | bits >> 16 | bits >> 24) & 0xFF",
            "",
        ]
    )


def _packing(bits: int, codes_at: str, indent: str) -> list[str]:
    """Source that packs a group, as many byte columns at once as a register holds."""
    size = register_file().bytes
    codes = f"view(load(codes, {codes_at} + part + {{at}}, {size}), np.uint32)"
    lines = [f"    c{row} = {codes.format(at=row * LANES)}" for row in range(ROWS)]
    for at, row in enumerate(_pack_rows(bits)):
        lines.append(f"    store(packed, group * {bits * LANES} + part + {at * LANES}, view({row}, np.uint8))")
    return [indent + line for line in [f"for part in range(0, {LANES}, {size}):", *lines]]


def _unpack_source(bits: int) -> str:
    if bits == 8:
        return f"""\
def _unpack_8(packed, codes, start, stop):
    copy(packed, start * {GROUP}, (stop - start) * {GROUP}, codes, start * {GROUP})
"""
    return "\n".join(
        [
            f"def _unpack_{bits}(packed, codes, start, stop):",
            "    for group in range(start, stop):",
            *_unpacking(bits, f"group * {GROUP}", "        "),
            "",
        ]
    )


def _unpacking(bits: int, codes_at: str, indent: str) -> list[str]:
    """Source that unpacks a group, as many byte columns at once as a register holds."""
    size = register_file().bytes
    words = f"view(load(packed, group * {bits * LANES} + part + {{at}}, {size}), np.uint32)"
    lines = [f"    w{row} = {words.format(at=row * LANES)}" for row in range(bits)]
    for row in range(ROWS):
        found = f"view({row_expression(bits, row)}, np.uint8)"
        lines.append(f"    store(codes, {codes_at} + part + {row * LANES}, {found})")
    return [indent + line for line in [f"for part in range(0, {LANES}, {size}):", *lines]]


# The loop over one group's weights in stretches that share a scale; `codes` is a group's worth of scratch.
_STRETCHES = """
        first = group * {group}
        last = min(first + {group}, values.size)
        at = first
        while at < last:
            row = at // columns
            column = at - row * columns
            stretch = column // run
            until = min(last, row * columns + min(columns, (stretch + 1) * run))
            index = 0 if scale.size == 1 else row * ((columns + run - 1) // run) + stretch
            {call}
            at = until
"""


def _quantise_source(bits: int) -> str:
    call = "_rounded(values, at, until, scale[index], zero_point[index], highest, codes, at - first)"
    return "\n".join(
        [
            f"def _quantise_{bits}(values, highest, scale, zero_point, columns, run, packed, start, stop):",
            f"    codes = scratch({GROUP}, np.uint8)",
            "    clear(codes, 0, codes.size)",
            "    for group in range(start, stop):",
            _STRETCHES.format(group=GROUP, call=call),
            "        clear(codes, last - first, codes.size)",
            *_packing(bits, "0", "        "),
            "",
        ]
    )


def _dequantise_source(bits: int) -> str:
    call = "_decoded(codes, at - first, values, at, until, scale[index], zero_point[index])"
    return "\n".join(
        [
            f"def _dequantise_{bits}(packed, scale, zero_point, columns, run, values, start, stop):",
            f"    codes = scratch({GROUP}, np.uint8)",
            "    for group in range(start, stop):",
            *_unpacking(bits, "0", "        "),
            _STRETCHES.format(group=GROUP, call=call),
            "",
        ]
    )


# Added to a float32 from 0 to 2^22, it leaves the nearest whole number, halves to even, in the low bits.
_ROUNDING = np.float32(1.5 * 2**23)


@jit
def _rounded(values, at, until, step, zero, highest, codes, to):  # type: ignore[no-untyped-def]
    """Codes of values at..until − 1, written from codes[to] on."""
    steps, zeros = splat(step, 16), splat(zero, 16)
    low, high, rounding = splat(np.float32(0), 16), splat(highest, 16), splat(_ROUNDING, 16)
    while at + 16 <= until:
        number = within(load(values, at, 16) / steps + zeros, low, high) + rounding
        store(codes, to, convert(view(number, np.uint32), np.uint8))
        at += 16
        to += 16
    for i in range(until - at):
        number = np.rint(values[at + i] / step + zero)
        codes[to + i] = np.uint8(np.int32(min(highest, number if number > 0 else np.float32(0))))


@jit
def _decoded(codes, source, values, at, until, step, zero):  # type: ignore[no-untyped-def]
    """Values at..until − 1 out of the codes from codes[source] on."""
    steps, zeros = splat(step, 16), splat(zero, 16)
    while at + 16 <= until:
        code = convert(convert(load(codes, source, 16), np.int32), np.float32)
        store(values, at, (code - zeros) * steps)
        at += 16
        source += 16
    for i in range(until - at):
        values[at + i] = step * (np.float32(codes[source + i]) - zero)


def _runs(shape: tuple[int, ...], scale: Floats, zero_point: Floats, size: int) -> tuple[Floats, Floats, int, int]:
    """scale and zero point flat, the columns of a row, and the length of a run that shares a scale."""
    if len(shape) not in (1, 2):
        raise ValueError(f"Weights are [n] or [rows, columns], not of {len(shape)} dimensions.")
    if size < 0:
        raise ValueError(f"A run holds 1 weight or more, not {size}.")
    scale = np.ascontiguousarray(scale, np.float32).reshape(-1)
    zero_point = np.ascontiguousarray(zero_point, np.float32).reshape(-1)
    rows, columns = (1, shape[0]) if len(shape) == 1 else shape
    run = max(1, size or columns)
    expected = rows * -(-columns // run)
    if scale.size != zero_point.size or scale.size not in (1, expected):
        raise ValueError(
            f"{scale.size} scales and {zero_point.size} zero points do not fit {expected} runs of weights."
        )
    return scale, zero_point, max(1, columns), run


def _packed(packed: Bytes, bits: int, count: int) -> Bytes:
    if count < 0 or packed.dtype != np.uint8 or packed.shape != packed_shape(count, bits):
        raise ValueError(f"{count} codes of {bits} bits do not take an array {packed.dtype} {list(packed.shape)}.")
    return np.ascontiguousarray(packed)


def _target(into: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    if into is None:
        return aligned(shape, dtype)
    if into.shape != shape or into.dtype != dtype or not into.flags.c_contiguous or not into.flags.writeable:
        raise ValueError(f"The result needs a contiguous array {np.dtype(dtype)} {list(shape)}.")
    return into
