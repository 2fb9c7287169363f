"""Source of convolutions with packed weights, for one bit width and one way to decode (see `floating_source`)."""

from __future__ import annotations

from workbench.kernels.compiler.features import register_file
from workbench.kernels.lowbit.convolution_block import lanes_at_once
from workbench.kernels.lowbit.floating_source import head, strip_lines
from workbench.kernels.lowbit.panel_source import panel_lines
from workbench.kernels.lowbit.weights import Way

BLOCK = 3  # vectors of neighbouring outputs that are summed side by side


def outputs_at_once(grouped: bool) -> int:
    """Outputs that share inputs and are summed side by side: as many as the registers hold sums for."""
    return 1 if grouped else register_file().count // 4


def convolution_source(name: str, way: Way, bits: int, grouped: bool) -> str:
    """Kernel (..., place, offsets, phases, bias, x, y, start, stop) on units start..stop−1 of all images' blocks.

    place, offsets, phases: see `lowbit_convolution.Plan`. x [images, channels, h, w]; y [images, out, h', w'].
    A strip of weights is decoded, then multiplied with each block of neighbouring outputs. Planes of inputs are long
    rows, so that a block may reach over the end of an image row; what is computed there is dropped.
    """
    lanes, together = lanes_at_once(), outputs_at_once(grouped)
    lines = [
        f"def {name}(packed, levels, scale, zero_point, sizes, place, offsets, phases, bias, x, y, start, stop):",
        *head(bits, way),
        "    high, across, plane, pitch, step_y, step_x, pad_y, pad_x, copied, per_group = place",
        "    channels, count = x.shape[1], phases.size // 2",
        "    out_high, out_across = y.shape[2], y.shape[3]",
        "    image_size = channels * count * plane",
        "    positions = (out_high - 1) * pitch + out_across",
        "    size = out_high * out_across",
        "    straight = positions == size",
        f"    vectors = (positions + {lanes - 1}) // {lanes}",
        f"    blocks_ = (vectors + {BLOCK - 1}) // {BLOCK}",
        "    inside, target = x.reshape(-1), y.reshape(-1)",
        "    panel = scratch(inputs * 16, np.float32)",
        f"    found = scratch({together * BLOCK * lanes}, np.float32)",
        f"    into, step = (target, positions) if straight else (found, {BLOCK * lanes})",
        "    first_image, last_image = start // blocks_, (stop - 1) // blocks_ + 1",
        "    at_once = min(last_image - first_image, max(1, (1 << 18) // image_size))",
        "    memory = scratch(at_once * image_size if copied else 0, np.float32)",
        "    for images in range(first_image, last_image, at_once):",
        "        until_image = min(images + at_once, last_image)",
        "        if copied:",
        "            for image in range(images, until_image):",
        "                lay_out(x, image, high, plane, pitch, phases, step_y, step_x, pad_y, pad_x,"
        " memory, (image - images) * image_size)",
        "        planes = memory if copied else inside",
        "        for strip in range((outputs + 15) // 16):",
        *strip_lines(" " * 12, "strip", "_"),
        "            deep, until, to = 0, inputs, 0",
        *panel_lines(way, bits, " " * 12, 16),
        "            for image in range(images, until_image):",
        "                here = (image - images if copied else image) * image_size",
        "                for block_ in range(max(start - image * blocks_, 0), min(stop - image * blocks_, blocks_)):",
        "                    left = vectors * block_ // blocks_",
        "                    width = vectors * (block_ + 1) // blocks_ - left",
        f"                    left *= {lanes}",
        f"                    last = min(positions - left - (width - 1) * {lanes}, {lanes})",
        f"                    for first in range(0, kept_, {together}):",
        "                        output = strip * 16 + first",
    ]
    deep = " " * 24
    base = "here + left"
    if grouped:
        base += " + output // per_group * (channels // (outputs // per_group)) * count * plane"
    lines += [
        f"{deep}from_ = {base}",
        f"{deep}to = (image * outputs + output) * positions + left if straight else 0",
        f"{deep}rows, whole = (kept_ - first, last) if straight else ({together}, {lanes})",
    ]
    for width in range(1, BLOCK + 1):
        inputs = "planes, from_, offsets, inputs, last, panel, first, bias, output, outputs"
        lines += [
            f"{deep}{'if' if width == 1 else 'elif'} width == {width}:",
            f"{deep}    sum_block({together}, {width}, {inputs}, into, to, step, rows, whole)",
        ]
    lines += [f"{deep}if not straight:", *_without_ends(together, deep + "    ", lanes)]
    return "\n".join([*lines, ""])


def _without_ends(together: int, indent: str, lanes: int) -> list[str]:
    """Source that takes what was found from place `left` on to the image rows: the first of every `pitch` places.

    Written out here since a call with arrays takes as long as the work itself.
    """
    lines = [
        f"places = (width - 1) * {lanes} + last",
        "row = left // pitch",
        "begin, at = left - row * pitch, 0",
        "to = (image * outputs + output) * size + row * out_across + begin",
        "while at < places:",
        "    whole = min(out_across - begin, places - at)",
        f"    for one in range(min({together}, kept_ - first)):",
        "        for i in range(0, whole, 16):",
        "            few = min(16, whole - i)",
        f"            moved = load_some(found, one * {BLOCK * lanes} + at + i, few, 16)",
        "            store_some(target, to + one * size + i, moved, few)",
        "    at += pitch - begin",
        "    to += out_across - begin",
        "    begin = 0",
    ]
    return [indent + line for line in lines]
