"""Which single weights or kernels of a layer go, as a decision that can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.evidence import Floats
from workbench.weights.form import Form


@dataclass(frozen=True)
class Gone:
    """shape: that of the weight, or its first axes, where what goes is all along the others. bits: in storage order."""

    shape: tuple[int, ...]
    bits: bytes

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Gone:
        """mask: true for what goes."""
        return cls(mask.shape, np.packbits(mask).tobytes())

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True for what goes."""
        count = int(np.prod(self.shape))
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count).astype(bool).reshape(self.shape)

    def left_of(self, form: Form) -> Form:
        """A form of one factor without what goes; `form` itself where nothing does."""
        (part,), mask = form.parts, self.mask
        if not mask.any():
            return form
        along = mask.reshape(*mask.shape, *[1] * (len(part.shape) - mask.ndim))
        return form.with_parts([part.kept(np.broadcast_to(~along, part.shape))])


def least(scores: Floats, share: float) -> NDArray[np.bool_]:
    """Which of `scores`, of any shape, are the round(share · n) least; equal ones in storage order."""
    gone = np.zeros(scores.size, bool)
    gone[np.argsort(scores, axis=None, kind="stable")[: round(share * scores.size)]] = True
    return gone.reshape(scores.shape)


def least_of_each(scores: Floats, share: float) -> NDArray[np.bool_]:
    """The same of each entry along the first axis by itself."""
    return np.array([least(row, share) for row in scores], bool).reshape(scores.shape)
