"""What packed files of version 1 wrote otherwise: a product of two factors had a name, and its arrays words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import FormatError
from workbench.weights.reading import Reading

_PASSAGES = {
    "channel": ([True, True, 1], [False, False, 1]),
    "spatial": ([True, False, 1], [False, True, 1]),
}
_PLACES = {"first": "0", "second": "1"}


def layer_of_version_2(layer: Any) -> Any:
    """The entry of a layer in the header as version 2 has it. Raises FormatError for an unknown product."""
    if not isinstance(layer, Mapping) or layer.get("encoding") != "factored":
        return layer
    reading = Reading(layer.get("fields"), {})
    shape, product = reading.take("shape"), reading.choice("product", tuple(_PASSAGES))
    rank, factors = reading.take("rank"), reading.take("factors")
    reading.finish()
    if not isinstance(factors, list) or len(factors) != 2 or not all(isinstance(facts, Mapping) for facts in factors):
        raise FormatError("field 'factors' must be a list of two objects")
    listed = [{**facts, "passage": passage} for facts, passage in zip(factors, _PASSAGES[product], strict=True)]
    arrays = layer.get("arrays")
    if isinstance(arrays, list):
        arrays = [[_renamed(array[0]), *array[1:]] if isinstance(array, list) and array else array for array in arrays]
    return {**layer, "fields": {"shape": shape, "ranks": [rank], "factors": listed}, "arrays": arrays}


def _renamed(name: Any) -> Any:
    if not isinstance(name, str):
        return name
    place, dot, leaf = name.partition(".")
    return f"{_PLACES.get(place, place)}{dot}{leaf}"
