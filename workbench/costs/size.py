"""Bytes of the packed file, by layer and by part (catalogue ME-04), without writing it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workbench.export.packed import layout
from workbench.report import Size

if TYPE_CHECKING:
    from workbench.compressed import CompressedModel

PARTS = ("codes", "indices", "codebooks", "scales", "biases", "batch_norm", "other", "header")


def measure(compressed: CompressedModel) -> Size:
    """Exact bytes of the file that `save` writes. A tensor beside the weights counts under the module that it is in."""
    by_layer: Counter[str] = Counter()
    by_part: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
    for name, encoding in compressed.encodings.items():
        by_layer[name] = 0
        for stored in encoding.arrays():
            by_layer[name] += stored.data.size
            by_part[stored.part] += stored.data.size
    model = compressed.model
    for name, tensor in model.rest.items():
        by_layer[name.rpartition(".")[0] or name] += tensor.nbytes
        by_part[model.rest_part[name]] += tensor.nbytes
    whole = layout(compressed)
    by_layer["header"] += whole.header_bytes
    by_part["header"] += whole.header_bytes
    return Size(whole.nbytes, dict(by_layer), dict(by_part))
