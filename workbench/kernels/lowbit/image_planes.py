"""Images as planes of long rows with zeros around them, for convolutions."""

from __future__ import annotations

from llvmlite import ir
from numba.extending import intrinsic

from workbench.kernels.compiler.jit import jit
from workbench.kernels.vector.codegen import Vector
from workbench.kernels.vector.lookups import load_some, store_some
from workbench.kernels.vector.stretches import clear


@intrinsic
def evens(typingctx, vector):  # type: ignore[no-untyped-def]
    """Every other lane, from the first on."""
    if not isinstance(vector, Vector):
        return None
    kind = Vector(vector.dtype, vector.lanes // 2)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        numbers = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), list(range(0, vector.lanes, 2)))
        return builder.shuffle_vector(args[0], ir.Constant(args[0].type, ir.Undefined), numbers)

    return kind(vector), codegen


@jit
def lay_out(x, image, high, plane, pitch, phases, step_y, step_x, pad_y, pad_x, planes, start):  # type: ignore[no-untyped-def]
    """The planes of one image, to `planes` from `start` on; see `lowbit_convolution.Plan`."""
    channels, height, width = x.shape[1:]
    source = x.reshape(-1)
    clear(planes, start, start + channels * (phases.size // 2) * plane)
    to = start
    for channel in range(channels):
        for phase in range(0, phases.size, 2):
            down, right = phases[phase] - pad_y, phases[phase + 1] - pad_x
            top = max(0, step_y - 1 - down) // step_y
            bottom = min((height - down + step_y - 1) // step_y, high)
            begin = max(0, step_x - 1 - right) // step_x
            count = min((width - right + step_x - 1) // step_x, pitch) - begin
            at = ((image * channels + channel) * height + top * step_y + down) * width + begin * step_x + right
            line = to + top * pitch + begin
            for _ in range(top, bottom):
                if step_x == 1:
                    for i in range(0, count, 16):
                        here = min(16, count - i)
                        store_some(planes, line + i, load_some(source, at + i, here, 16), here)
                elif step_x == 2:
                    for i in range(0, count, 16):
                        here = min(16, count - i)
                        store_some(planes, line + i, evens(load_some(source, at + 2 * i, 2 * here - 1, 32)), here)
                else:
                    for i in range(count):
                        planes[line + i] = source[at + i * step_x]
                at += step_y * width
                line += pitch
            to += plane
