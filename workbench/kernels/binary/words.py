"""How many words bits are packed into, and which of the two ways of multiplying them this processor takes."""

from __future__ import annotations

from workbench.kernels.binary import counts, mismatches, tables
from workbench.kernels.compiler.features import has

BY_LOOK_UP = has("avx2") and not mismatches.NATIVE  # else by xor and popcount
LANES = tables.LANES if BY_LOOK_UP else mismatches.LANES
tiled, multiply_signs, multiply_planes = (
    (tables.tiled, tables.multiply_signs, tables.multiply_planes)
    if BY_LOOK_UP
    else (counts.tiled, counts.multiply_signs, counts.multiply_planes)
)


def paired(words: int) -> bool:
    """Whether a row of so many words, as in `words_for`, holds (a, a ^ b) for each two; see `mismatches`."""
    return not BY_LOOK_UP and words > 1


def words_for(depth: int) -> int:
    """Words that `depth` bits take; where they are paired an even number, but one for up to 32 bits."""
    return -(-depth // 32) if BY_LOOK_UP or depth <= 32 else 2 * -(-depth // 64)
