"""Dense: every weight as float32."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.weights.encodings._one_tensor import EveryWeight
from workbench.weights.encodings._stream import FloatStream


@dataclass(frozen=True, eq=False)
class Dense(EveryWeight):
    """4 bytes a weight; holds any tensor, but does not keep the levels that its weights lie on."""

    name = "dense"
    listed = FloatStream
