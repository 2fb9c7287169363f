"""Which bits take least energy at an accuracy: the model of Moons et al. 2017, with its exponent as a question.

Moons, Goetschalckx, Van Berckelaer, Verhelst, Minimum energy quantized neural networks, Asilomar 2017, section II. It
is recalled, not read again: constants count here only against each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

EXPONENTS = (1.0, 1.25, 1.5, 2.0)
_MAC, _WIDTH = 3.7e-12, 16  # joules of a multiply-accumulate of 16 bits
_UNITS = 64  # of 16 bits, that share what they read


@dataclass(frozen=True)
class Size:
    """macs, weights and activations of one inference."""

    macs: int
    weights: int
    activations: int


def joules(size: Size, bits: int, exponent: float) -> float:
    """E_C + E_W + E_A with E_MAC = 3.7 pJ (Q / 16)^exponent, E_local = E_MAC and E_main = 2 E_MAC.

    E_C = E_MAC (macs + 3 activations), E_W = E_main weights + E_local macs / √p, E_A = 2 E_main activations +
    E_local macs / √p, of p = 64 · 16 / Q units.
    """
    one = _MAC * (bits / _WIDTH) ** exponent
    shared = size.macs / math.sqrt(_UNITS * _WIDTH / bits)
    compute = one * (size.macs + 3 * size.activations)
    return compute + (2 * one * size.weights + one * shared) + (4 * one * size.activations + one * shared)


def least(
    errors: Mapping[tuple[int, int], float], sizes: Mapping[int, Size], most: float, exponent: float
) -> int | None:
    """The bits of the network of least energy whose error is `most` at most; errors: of (width, bits). None of none."""
    good = [one for one, error in errors.items() if error <= most]
    fit = {(width, bits): joules(sizes[width], bits, exponent) for width, bits in good}
    return min(fit, key=lambda one: fit[one])[1] if fit else None
