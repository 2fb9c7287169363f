"""Source of sums over the weights that are left, for one size of the block of outputs that the registers hold."""

from __future__ import annotations

from workbench.kernels.compiler.features import register_file

WORK = 3  # what an output costs beside its weights, in weights: its bias, its bounds, and that it is stored


def most_sums() -> int:
    """Vectors of sums that the registers hold beside an operand or two."""
    registers = register_file().count
    return registers - registers // 8


def stencil_source(name: str, rows: int, columns: int, step: int) -> str:
    """Kernel (x, places, weights, ends, marks, bias, y, beside, low, high, geometry, start, stop).

    Work is counted over blocks, outputs and weights: output k of block b is worked on where b · marks[outputs] +
    marks[k] lies in start..stop−1. All panels of weights are gone through, each for all these outputs of a block.

    x, y, beside: values of `Images`; the others: see `stencil.Stencil`. A block is rows × columns outputs. Those of a
    row lie beside each other, their inputs `step` floats apart; what a row is, `geometry` says (see `stencil._plan`).
    """
    return f"""\
def {name}(x, places, weights, ends, marks, bias, y, beside, low, high, geometry, start, stop):
    across, down, x_, xa, xb, xc, xr, _, y_, ya, yb, yc, yr, yk, z_, za, zb, zc, zr, zk, added = geometry
    outputs = bias.size
    panels = (ends.size - 1) // max(outputs, 1)
    whole = item(marks, outputs)
    block = start // whole
    begin = 0
    while begin < outputs and block * whole + item(marks, begin) < start:
        begin += 1
    while block * whole < stop:
        until = begin
        while until < outputs and block * whole + item(marks, until) < stop:
            until += 1
        a, b = block // (across * down), block // across % down
        c = block % across
        at = x_ + a * xa + b * xb + c * xc
        to = y_ + a * ya + b * yb + c * yc
        other = z_ + a * za + b * zb + c * zc
        for panel in range(panels):
            lowest = low if panel == panels - 1 else np.float32(-np.inf)
            highest = high if panel == panels - 1 else np.float32(np.inf)
            held = y if panel else beside
            begin_h, hr, hk = (to, yr, yk) if panel else (other, zr, zk)
            for k in range(begin, until):
                run = panel * outputs + k
                sum_block(
                    {rows}, {columns}, {step}, x, at, xr, places, weights, item(ends, run), item(ends, run + 1),
                    y, to + k * yk, yr, held, begin_h + k * hk if panel or added else -1, hr,
                    np.float32(0) if panel else item(bias, k), lowest, highest,
                )
        begin = 0
        block += 1
"""
