"""The uncompressed network that a compressed one is compared with."""

from __future__ import annotations

from workbench.cache import Cache
from workbench.models import zoo
from workbench.network.encoded import EncodedModel
from workbench.network.model import load

_originals: Cache[EncodedModel] = Cache(ceiling=2**26)


def original(compressed: EncodedModel) -> EncodedModel | None:
    """The network before compression; None for a file whose network is not in the zoo."""
    if not compressed.from_file:
        return EncodedModel.of(compressed.original)
    name = compressed.original_name
    if name not in zoo.names():
        return None
    return _originals.get(name, lambda: EncodedModel.of(load(name)))
