"""The header of a packed file: a JSON value that says what the arrays behind it are, written as `binary_json` does."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.errors import FormatError, RecipeError
from workbench.exporters.binary_json import canonical, pack, unpack
from workbench.names import NAME, is_name
from workbench.network.arrangement import AS_IT_IS, Arrangement
from workbench.network.calling import Calling, Key
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
_around: Cache[int] = Cache(ceiling=2**16)


@dataclass(frozen=True)
class Described:
    """One array of the file: name (unique within its layer) and bytes."""

    name: str
    size: int


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
    return pack(described(compressed))


def described(compressed: EncodedModel) -> dict[str, Any]:
    """The same as the JSON value that is packed."""
    layers = []
    for layer in compressed.model.layers:
        name, encoding = layer.name, compressed.encodings[layer.name]
        arrays = (*encoding.arrays(), *compressed.entering.get(name, ()))
        sizes = {array.name: array.data.size for array in arrays}
        layers.append(entry(encoding.name, encoding.fields(), sizes, compressed.forms[name].entering))
    return _content(compressed.model, compressed.recipe.to_object(), layers, *_history(compressed))


def length(compressed: EncodedModel) -> int:
    """Bytes of what `describe` gives. Nothing is encoded, and no byte of an array is looked at."""
    layers = [
        form.once(  # a chain's factors may have one named
            ("header", encoding, compressed.recipe.encodings.get(layer.name)),
            partial(_layer_length, encoding, plan, form.entering, compressed.entering.get(layer.name, ())),
        )
        for layer, form, (encoding, plan) in zip(
            compressed.model.layers, compressed.forms.values(), compressed.plans.values(), strict=True
        )
    ]
    history = _history(compressed)
    around = _around.get(("header", history), partial(_length_around, compressed.model, *history), compressed.model)
    recipe = compressed.recipe.to_object()
    named = len(pack(recipe["encodings"])) if recipe["encodings"] else 0
    steps, nothing = len(pack(recipe["steps"])), len(pack([]))
    return around + steps - nothing + named + len(pack([0] * len(layers))) - len(layers) - nothing + sum(layers)


def _history(compressed: EncodedModel) -> tuple[tuple[str, ...], str]:
    """The titles of what has not been trained, and the name of the model that the recipe began with."""
    return compressed.previews, compressed.original_name


def _length_around(model: Model, previews: tuple[str, ...], original: str) -> int:
    """Bytes of a header with an empty recipe and without layers."""
    return len(pack(_content(model, Recipe().to_object(), [], previews, original)))


def _layer_length(encoding: str, plan: Plan, entering: Levels | None, tables: tuple[Stored, ...]) -> int:
    sizes = {array: size for array, _, size in plan.arrays} | {table.name: table.data.size for table in tables}
    return len(pack(entry(encoding, plan.fields, sizes, entering)))


def _content(model: Model, recipe: Any, layers: list[Any], previews: tuple[str, ...], original: str) -> dict[str, Any]:
    return {
        "network": outline(model),
        "recipe": recipe,
        "previews": list(previews),
        "original": None if original == model.name else original,
        "layers": layers,
        "example": _kind(model.example.numpy()) if model.kept else None,
        "call": None if model.calling is None else _call(model.calling),
    }


def outline(model: Model) -> dict[str, Any]:
    """What is known of a network before it is compressed: for those of the zoo, a template of the dictionary."""
    data = model.data
    layers = [[layer.name, list(layer.shape), *([lies] if (lies := layer.arrangement.facts()) else [])]
              for layer in model.layers]  # fmt: skip
    return {
        "model": model.name,
        "architecture": model.architecture,
        "input_shape": list(model.input_shape),
        "data": data and {"name": data.name, "test": data.split("test").digest},
        "layers": layers,
        "rest": [[name, *_kind(tensor)] for name, tensor in model.rest.items()],
    }


def _call(calling: Calling) -> dict[str, Any]:
    others = [[key, _kind(other.numpy())] for key, other in calling.others.items()]
    return {"first": calling.first, "others": others, "answer": list(calling.answer)}


def _kind(tensor: NDArray[Any]) -> list[Any]:
    return [tensor.dtype.name, list(tensor.shape)]


def entry(encoding: str, fields: Mapping[str, Any], sizes: Mapping[str, int], entering: Levels | None) -> Any:
    """Of one layer, whose name and shape stand in the outline. sizes: bytes of each array, in file order."""
    own = {name: fact for name, fact in fields.items() if name != "shape"}
    rounds = {} if entering is None else {"input": {"kind": entering.kind, **entering.facts()}}
    return {"encoding": encoding, "fields": own, **rounds, "arrays": dict(sizes)}


def parse(raw: bytes) -> Header:
    """The header that `describe` wrote. Raises FormatError, naming the field, for anything that it would not write."""
    return header(unpack(raw))


def header(content: Any) -> Header:
    """That of what `describe` packs. Raises FormatError, naming the field, for anything else."""
    reading = Reading(content, {})
    network = Reading(reading.take("network"), {})
    recipe, unnamed = _recipe(reading.take("recipe"))
    layers = _list("layers", network.take("layers"))
    entries, original = _list("layers", reading.take("layers")), reading.take("original")
    if len(layers) != len(entries):
        raise FormatError(f"it describes {len(entries):,} layers of a network of {len(layers):,}")
    example, call = reading.take("example"), reading.take("call")
    found = Header(
        model=_name("model", network.take("model")),
        architecture=network.optional_text("architecture"),
        input_shape=_input_shape(network.take("input_shape")),
        data=_data(network.take("data")),
        recipe=recipe,
        unnamed=unnamed,
        previews=_previews(reading.take("previews")),
        original=None if original is None else _name("original", original),
        layers=tuple(_layer(outlined, one) for outlined, one in zip(layers, entries, strict=True)),
        rest=tuple(_tensor(one) for one in _list("rest", network.take("rest"))),
        example=None if example is None else _of_kind(EXAMPLE, example),
        call=None if call is None else _stored_call(call),
    )
    network.finish()
    reading.finish()
    if found.example is not None and found.example.shape != (1, *found.input_shape):
        raise FormatError(f"its example has shape {found.example.shape}, and its input {found.input_shape}")
    if sum(1 for _ in found.arrays()) > MOST_ARRAYS:
        raise FormatError(f"it describes more than {MOST_ARRAYS:,} arrays")
    return found


def as_bytes(array: NDArray[Any]) -> Bytes:
    """The array's bytes in storage order, little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)


def _name(field: str, name: Any) -> str:
    if not is_name(name) and (name != "" or field == "model"):  # the original of a name that says nothing has none
        raise FormatError(f"field {field!r} must be {NAME}, not {reprlib.repr(name)}")
    return cast(str, name)


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
    if canonical(again) != canonical(value):
        raise FormatError("its recipe is not written in the form in which recipes are")
    return recipe, tuple(unnamed)


def check_written_alike(raw: bytes, compressed: EncodedModel) -> None:
    """Raises FormatError, naming the layer or field, where this network would be written otherwise than in `raw`.

    Of the data set and of the recipe's newer settings that is known already.
    """
    read, again = unpack(raw), described(compressed)
    again["recipe"], again["network"]["data"] = read["recipe"], read["network"]["data"]
    names = [layer.name for layer in compressed.model.layers]
    for name, ours, theirs in zip(names, again["layers"], read["layers"], strict=True):
        if canonical(ours) != canonical(theirs):
            raise FormatError(f"layer {name!r}: it is not written in the form in which such layers are")
    for name in again:
        if canonical(again[name]) != canonical(read[name]):
            raise FormatError(f"field {name!r} is not written in the form in which it is of this network")
    if list(again) != list(read):
        raise FormatError("its fields are not those of this network, in their order")


def _previews(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(map(is_name, value)):
        raise FormatError(f"field 'previews' must be a list of texts of {NAME}")
    return tuple(value)


def _layer(outlined: Any, stored: Any) -> StoredLayer:
    if not isinstance(outlined, list) or len(outlined) not in (2, 3) or type(outlined[0]) is not str:
        raise FormatError(f"a layer must be [name, shape], and how it lies, not {reprlib.repr(outlined)}")
    name, reading = outlined[0], Reading(stored, {})
    shape = shape_of(outlined[1])
    arrangement = Arrangement.restored(outlined[2]) if len(outlined) == 3 else AS_IT_IS
    scheme = ENCODINGS[reading.choice("encoding", ENCODINGS)]
    fields, arrays = reading.take("fields"), reading.take("arrays")
    entering = reading.take("input") if "input" in stored else None
    reading.finish()
    if not isinstance(fields, dict) or "shape" in fields:
        raise FormatError(f"layer {name!r}: its fields must be a JSON object without its shape")
    if "input" in stored and not isinstance(entering, dict):
        raise FormatError(f"layer {name!r}: field 'input' must be a JSON object")
    if not isinstance(arrays, dict) or any(type(size) is not int or size < 0 for size in arrays.values()):
        raise FormatError(f"layer {name!r}: its arrays must be names and their bytes, not {reprlib.repr(arrays)}")
    described = tuple(Described(*one) for one in arrays.items())
    return StoredLayer(name, scheme, {"shape": list(shape), **fields}, arrangement, entering, described)


def _stored_call(value: Any) -> StoredCall:
    reading = Reading(value, {})
    first, answer = _key(reading.take("first")), reading.take("answer")
    others = {}
    for pair in _list("others", reading.take("others")):
        if not isinstance(pair, list) or len(pair) != 2:
            raise FormatError("field 'others' must be a list of pairs, an input and its tensor")
        others[_key(pair[0])] = _of_kind(str(pair[0]), pair[1])
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
    if not isinstance(value, list) or len(value) != 3 or type(value[0]) is not str:
        raise FormatError(f"a tensor must be [name, dtype, shape], not {reprlib.repr(value)}")
    return _of_kind(value[0], value[1:])


def _of_kind(name: str, kind: Any) -> StoredTensor:
    if not isinstance(kind, list) or len(kind) != 2:
        raise FormatError(f"tensor {name!r} must have [dtype, shape], not {reprlib.repr(kind)}")
    dtype = Reading({"dtype": kind[0]}, {}).choice("dtype", DTYPES)
    shape = shape_of(kind[1]) if kind[1] != [] else ()
    return StoredTensor(dtype, shape, Described(name, math.prod(shape) * np.dtype(dtype).itemsize))
