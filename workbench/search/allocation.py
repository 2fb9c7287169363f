"""Settings for all layers at once: where a little more load buys the same everywhere (Lagrangian bit allocation)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.search.rates import CHOICES, Choice, Rates, Settings, no_coarser

_HALVINGS = 60


def allocate(
    rates: Rates, harm: Mapping[str, NDArray[np.float64]], load: float, beyond: Settings | None = None
) -> dict[str, Choice]:
    """The settings of least harm in sum among those on the lower convex hull whose estimated load is at most `load`.

    Y. Shoham and A. Gersho, Efficient bit allocation for an arbitrary set of quantizers, IEEE Transactions on
    Acoustics, Speech, and Signal Processing 36(9), 1988: each layer on its own takes what makes harm + m * load least,
    and the price m is found by bisection. harm: layer -> of each of CHOICES. beyond: settings beyond which no layer is
    compressed. Where nothing fits, those of least load.
    """
    loads = {name: rates.loads(name).max(axis=0) for name in rates.layers}
    harms = {
        name: harm[name] if beyond is None else np.where(no_coarser(beyond[name]), harm[name], np.inf)
        for name in rates.layers
    }

    def at(price: float) -> dict[str, Choice]:
        return {name: CHOICES[int((harms[name] + price * loads[name]).argmin())] for name in rates.layers}

    low, high = -12.0, 12.0  # powers of ten of the price
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rates.estimate(at(10**middle)) <= load else (middle, high)
    return at(10**high)
