"""The header of a packed file: canonical JSON that says what the arrays behind it are."""

from __future__ import annotations

import json
import math
import reprlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.errors import FormatError, RecipeError
from workbench.names import NAME, is_name
from workbench.network.arrangement import AS_IT_IS, Arrangement
from workbench.network.calling import Calling, Key
from workbench.network.layer import Layer
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.weights.choice import ENCODINGS
from workbench.weights.encoding import Plan, Scheme
from workbench.weights.levels import Levels
from workbench.weights.reading import Reading, shape_of
from workbench.weights.stored import Stored

if TYPE_CHECKING:
    from workbench.network.encoded import EncodedModel

Bytes = NDArray[np.uint8]

MOST_ARRAYS = 10**6
LARGEST_INPUT = 2**24  # numbers in one input of the network
DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
EXAMPLE = "example"  # the name of its array
_NO_CRC32 = "0" * 8
_NO_DIGEST = "0" * 64
_around: Cache[int] = Cache(ceiling=2**16)


@dataclass(frozen=True)
class Described:
    """One array of the file: name (unique within its layer), bytes, and CRC-32 as eight hexadecimal digits."""

    name: str
    size: int
    crc32: str


@dataclass(frozen=True)
class StoredLayer:
    """One layer: `fields` and the arrays are what `scheme.restore` takes.

    arrangement: how the weight lies in the network's tensor. entering: the facts of the levels that its input is
    rounded to, whose arrays' names begin with `ENTERING`.
    """

    name: str
    scheme: Scheme
    fields: Mapping[str, Any]
    arrangement: Arrangement
    entering: Mapping[str, Any] | None
    arrays: tuple[Described, ...]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor beside the layers' weights: a bias, a batch norm's statistics."""

    dtype: str
    shape: tuple[int, ...]
    array: Described


@dataclass(frozen=True)
class StoredCall:
    """See `network.calling.Calling`."""

    first: Key
    others: Mapping[Key, StoredTensor]
    answer: tuple[Key, ...]


@dataclass(frozen=True)
class Header:
    """data: name of the data set and digest of its test images. layers and rest: in file order.

    example: what the network was traced with, where zeros would not do. call: how it is called, where that is not with
    one input alone for one answer. original: name of the model that the recipe
    began with, None where that is `model` itself. previews: titles of the
    trained methods in the recipe for which another stood in. unnamed: settings of the recipe's methods that the file
    does not name, since they are newer.
    """

    model: str
    architecture: str | None
    input_shape: tuple[int, ...]
    data: tuple[str, str] | None
    recipe: Recipe
    unnamed: tuple[str, ...]
    previews: tuple[str, ...]
    original: str | None
    layers: tuple[StoredLayer, ...]
    rest: tuple[StoredTensor, ...]
    example: StoredTensor | None
    call: StoredCall | None

    def arrays(self) -> Iterator[Described]:
        """Every array, in file order."""
        for layer in self.layers:
            yield from layer.arrays
        others = self.call.others.values() if self.call else ()
        for tensor in (*self.rest, *([self.example] if self.example else ()), *others):
            yield tensor.array


def describe(compressed: EncodedModel) -> bytes:
    """The header as it stands in the file."""
    layers = []
    for layer in compressed.model.layers:
        name, encoding = layer.name, compressed.encodings[layer.name]
        arrays = (*encoding.arrays(), *compressed.entering.get(name, ()))
        described = [(array.name, array.data.size, _crc32(array.data)) for array in arrays]
        entering = compressed.forms[name].entering
        layers.append(_entry(layer, encoding.name, encoding.fields(), described, entering))
    recipe = compressed.recipe.to_object()
    return _canonical(_content(compressed.model, recipe, layers, *_history(compressed), checksums=True))


def length(compressed: EncodedModel) -> int:
    """Bytes of what `describe` gives. Nothing is encoded, and no byte of an array is looked at."""
    layers = [
        form.once(  # a chain's factors may have one named
            ("header", layer.name, layer.arrangement, encoding, compressed.recipe.encodings.get(layer.name)),
            partial(_layer_length, layer, encoding, plan, form.entering, compressed.entering.get(layer.name, ())),
        )
        for layer, form, (encoding, plan) in zip(
            compressed.model.layers, compressed.forms.values(), compressed.plans.values(), strict=True
        )
    ]
    recipe, nothing = len(_canonical(compressed.recipe.to_object())), len(_canonical({}))
    history = _history(compressed)
    around = _around.get(("header", history), partial(_length_around, compressed.model, *history), compressed.model)
    return around + recipe - nothing + sum(layers) + max(len(layers) - 1, 0)  # commas


def _history(compressed: EncodedModel) -> tuple[tuple[str, ...], str]:
    """The titles of what has not been trained, and the name of the model that the recipe began with."""
    return compressed.previews, compressed.original_name


def _length_around(model: Model, previews: tuple[str, ...], original: str) -> int:
    """Bytes of a header with an empty recipe and without layers."""
    return len(_canonical(_content(model, {}, [], previews, original, checksums=False)))


def _layer_length(layer: Layer, encoding: str, plan: Plan, entering: Levels | None, tables: tuple[Stored, ...]) -> int:
    arrays = [(array, size, _NO_CRC32) for array, _, size in plan.arrays]
    arrays += [(table.name, table.data.size, _NO_CRC32) for table in tables]
    return len(_canonical(_entry(layer, encoding, plan.fields, arrays, entering)))


def _content(
    model: Model, recipe: Any, layers: list[Any], previews: tuple[str, ...], original: str, checksums: bool
) -> dict[str, Any]:
    """Without checksums it is as long, and neither tensors nor images are looked at."""
    data = model.data
    untrained = {"previews": list(previews)} if previews else {}
    before = {"original": original} if original != model.name else {}
    return {
        "model": model.name,
        "architecture": model.architecture,
        "input_shape": list(model.input_shape),
        "data": data and {"name": data.name, "test": data.split("test").digest if checksums else _NO_DIGEST},
        "recipe": recipe,
        **untrained,
        **before,
        "layers": layers,
        "rest": [_beside(name, one, checksums) for name, one in model.rest.items()],
        **({"example": _beside(EXAMPLE, model.example.numpy(), checksums)} if model.kept else {}),
        **({} if model.calling is None else {"call": _call(model.calling, checksums)}),
    }


def _call(calling: Calling, checksums: bool) -> dict[str, Any]:
    others = [[key, _beside(str(key), other.numpy(), checksums)] for key, other in calling.others.items()]
    return {"first": calling.first, "others": others, "answer": list(calling.answer)}


def _beside(name: str, tensor: NDArray[Any], checksum: bool) -> Any:
    crc32 = _crc32(as_bytes(tensor)) if checksum else _NO_CRC32
    return {"name": name, "dtype": tensor.dtype.name, "shape": list(tensor.shape), "crc32": crc32}


def _entry(
    layer: Layer,
    encoding: str,
    fields: Mapping[str, Any],
    arrays: list[tuple[str, int, str]],
    entering: Levels | None,
) -> Any:
    rounds = {} if entering is None else {"input": {"kind": entering.kind, **entering.facts()}}
    lies = {"lies": facts} if (facts := layer.arrangement.facts()) else {}
    return {"name": layer.name, **lies, "encoding": encoding, "fields": fields, **rounds, "arrays": arrays}


def _crc32(array: Bytes) -> str:
    return f"{zlib.crc32(array.data):08x}"


def parse(raw: bytes, of_today: Callable[[Any], Any] = lambda layer: layer) -> Header:
    """The header that `describe` wrote. Raises FormatError, naming the field, for anything that it would not write.

    of_today: makes of a layer's entry what this version writes, where the file is of an earlier one.
    """
    try:
        content = json.loads(raw.decode("ascii"))
        written_here = _canonical(content) == raw
    except (ValueError, RecursionError):
        written_here = False
    if not written_here:
        raise FormatError("its header is not the canonical JSON of a packed file")
    reading = Reading(content, {})
    recipe, unnamed = _recipe(reading.take("recipe"))
    header = Header(
        model=_name(reading, "model"),
        architecture=reading.optional_text("architecture"),
        input_shape=_input_shape(reading.take("input_shape")),
        data=_data(reading.take("data")),
        recipe=recipe,
        unnamed=unnamed,
        previews=_previews(reading.take("previews")) if "previews" in content else (),
        original=_name(reading, "original") if "original" in content else None,
        layers=tuple(_layer(of_today(layer)) for layer in _list("layers", reading.take("layers"))),
        rest=tuple(_tensor(one) for one in _list("rest", reading.take("rest"))),
        example=_tensor(reading.take("example")) if "example" in content else None,
        call=_stored_call(reading.take("call")) if "call" in content else None,
    )
    reading.finish()
    if header.example is not None and header.example.shape != (1, *header.input_shape):
        raise FormatError(f"its example has shape {header.example.shape}, and its input {header.input_shape}")
    if sum(1 for _ in header.arrays()) > MOST_ARRAYS:
        raise FormatError(f"it describes more than {MOST_ARRAYS:,} arrays")
    return header


def as_bytes(array: NDArray[Any]) -> Bytes:
    """The array's bytes in storage order, little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def _name(reading: Reading, field: str) -> str:
    name = reading.text(field)
    if not is_name(name) and (name or field == "model"):  # the original of a name that says nothing has none
        raise FormatError(f"field {field!r} must be {NAME}, not {reprlib.repr(name)}")
    return name


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_ARRAYS:
        raise FormatError(f"field {name!r} must be a list of at most {MOST_ARRAYS:,} entries")
    return value


def _input_shape(value: Any) -> tuple[int, ...]:
    shape = shape_of(value)
    if not 1 <= math.prod(shape) <= LARGEST_INPUT:
        raise FormatError(f"an input of shape {shape} does not have 1 to {LARGEST_INPUT:,} numbers")
    return shape


def _data(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    reading = Reading(value, {})
    data = reading.text("name"), reading.text("test")
    reading.finish()
    return data


def _recipe(value: Any) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe, and which settings of its methods the file does not name; all else is as it would be written."""
    try:
        recipe = Recipe.from_object(value)
    except RecipeError as error:
        raise FormatError(f"its recipe is not valid: {str(error).removesuffix('.')}") from error
    again, unnamed = recipe.to_object(), []
    for step, written in zip(again["steps"], value["steps"], strict=True):
        left_out = [name for name in step["settings"] if name not in written.get("settings", {})]
        unnamed += [f"{name} of {step['method']}" for name in left_out]
        for name in left_out:
            del step["settings"][name]
    if _canonical(again) != _canonical(value):
        raise FormatError("its recipe is not written in the form in which recipes are")
    return recipe, tuple(unnamed)


def check_written_alike(raw: bytes, compressed: EncodedModel) -> None:
    """Raises FormatError, naming the layer or field, where this network would be written otherwise than in `raw`.

    Of the data set and of the recipe's newer settings that is known already.
    """
    read, again = json.loads(raw), json.loads(describe(compressed))
    for name in ("data", "recipe"):
        again[name] = read[name]
    for ours, theirs in zip(again["layers"], read["layers"], strict=True):
        if _canonical(ours) != _canonical(theirs):
            raise FormatError(f"layer {ours['name']!r}: it is not written in the form in which such layers are")
    for name in again:
        if name not in read or _canonical(again[name]) != _canonical(read[name]):
            raise FormatError(f"field {name!r} is not written in the form in which it is of this network")
    if list(again) != list(read):
        raise FormatError("its fields are not those of this network, in their order")


def _previews(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(map(is_name, value)):
        raise FormatError(f"field 'previews' must be a list of texts of {NAME}")
    return tuple(value)


def _layer(value: Any) -> StoredLayer:
    reading = Reading(value, {})
    name = reading.text("name")
    arrangement = Arrangement.restored(reading.take("lies")) if "lies" in value else AS_IT_IS
    scheme = ENCODINGS[reading.choice("encoding", ENCODINGS)]
    fields, arrays = reading.take("fields"), _list("arrays", reading.take("arrays"))
    entering = reading.take("input") if "input" in value else None
    reading.finish()
    if not isinstance(fields, dict):
        raise FormatError(f"layer {name!r}: its fields must be a JSON object")
    if "input" in value and not isinstance(entering, dict):
        raise FormatError(f"layer {name!r}: field 'input' must be a JSON object")
    described = tuple(_described(name, one) for one in arrays)
    if len({one.name for one in described}) < len(described):
        raise FormatError(f"layer {name!r}: two arrays have one name")
    return StoredLayer(name, scheme, fields, arrangement, entering, described)


def _described(layer: str, value: Any) -> Described:
    if not isinstance(value, list) or [type(one) for one in value] != [str, int, str] or value[1] < 0:
        raise FormatError(f"layer {layer!r}: an array must be [name, bytes, checksum], not {reprlib.repr(value)}")
    return Described(*value)


def _stored_call(value: Any) -> StoredCall:
    reading = Reading(value, {})
    first, answer = _key(reading.take("first")), reading.take("answer")
    others = {}
    for entry in _list("others", reading.take("others")):
        if not isinstance(entry, list) or len(entry) != 2:
            raise FormatError("field 'others' must be a list of pairs, an input and its tensor")
        others[_key(entry[0])] = _tensor(entry[1])
    reading.finish()
    if not isinstance(answer, list) or (not answer and not others and first == 0):
        raise FormatError("field 'answer' must be a list")
    if first in others or len(others) != len(value["others"]):
        raise FormatError("field 'others' names an input twice")
    return StoredCall(first, others, tuple(_key(key) for key in answer))


def _key(value: Any) -> Key:
    if type(value) not in (int, str):
        raise FormatError(f"an input or answer must be a place or a name, not {reprlib.repr(value)}")
    return cast(Key, value)


def _tensor(value: Any) -> StoredTensor:
    reading = Reading(value, {})
    name, dtype = reading.text("name"), reading.choice("dtype", DTYPES)
    shape, crc32 = reading.take("shape"), reading.text("crc32")
    reading.finish()
    shape = shape_of(shape) if shape != [] else ()
    return StoredTensor(dtype, shape, Described(name, math.prod(shape) * np.dtype(dtype).itemsize, crc32))
