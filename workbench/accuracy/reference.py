"""The uncompressed network that a compressed one is compared with."""

from __future__ import annotations

from workbench.cache import Cache
from workbench.models import zoo
from workbench.network.encoded import EncodedModel
from workbench.network.model import load

_originals: Cache[EncodedModel] = Cache(ceiling=2**26)


def original(compressed: EncodedModel) -> EncodedModel | None:
    """The network before compression; None for a file whose network is not in the zoo."""
    model = compressed.original
    if not compressed.from_file:
        judged = None if model.data is None else model.data.split("test").digest
        return _originals.get((model.digest, model.name, judged), lambda: EncodedModel.of(model))
    name = compressed.original_name
    if name not in zoo.names():
        return None
    return _originals.get(name, lambda: EncodedModel.of(load(name)))
