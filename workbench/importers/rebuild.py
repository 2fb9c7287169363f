"""From the header and the arrays of a packed file to the compressed network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.data import datasets
from workbench.errors import FormatError, ModelError, RecipeError
from workbench.exporters.header import Header, StoredLayer, StoredTensor
from workbench.models import zoo
from workbench.network.calling import Calling, Key
from workbench.network.door import accepted
from workbench.network.encoded import ENTERING, EncodedModel, Note
from workbench.network.model import Model
from workbench.weights.arrays import Floats, all_finite
from workbench.weights.encoding import Encoding
from workbench.weights.factored import FACTORED
from workbench.weights.form import Form
from workbench.weights.levels import LEVELS, Levels
from workbench.weights.reading import Reading, shape_of

if TYPE_CHECKING:
    from workbench.data.datasets import Dataset
    from workbench.recipe import Recipe

Arrays = Mapping[str, NDArray[np.uint8]]


def network(header: Header, module: nn.Module | None) -> nn.Module:
    """The network that the file is for, as a copy to be filled; the header's shapes have been compared with it.

    Raises FormatError naming the layer or tensor that does not fit, or where the network is unknown.
    """
    if module is not None:
        module = Calling.plain(accepted(module).module)
    elif header.architecture is None:
        raise FormatError(
            f"it holds a network of your own, {header.model!r}, whose module it needs: --module FILE.py:NAME on the "
            "command line, read(path, module) in Python"
        )
    elif header.architecture not in zoo.architectures():
        known = ", ".join(zoo.architectures())
        raise FormatError(f"its architecture {header.architecture!r} is unknown; known are {known}")
    elif header.input_shape != (shape := zoo.facts(header.architecture)["input_shape"]):
        raise FormatError(f"the input of {header.architecture} has shape {shape}, not {header.input_shape}")
    else:
        module = accepted(zoo.build(header.architecture)).module
    state = module.state_dict()
    for layer in header.layers:
        _check_layer(layer, state)
    for tensor in header.rest:
        _check_tensor(tensor, state.get(tensor.array.name))
    return module


def filled(
    header: Header,
    module: nn.Module,
    layers: Mapping[str, Arrays],
    rest: Arrays,
    example: NDArray[np.uint8] | None,
    held: Mapping[Key, NDArray[np.uint8]],
    data: Dataset | None,
) -> EncodedModel:
    """The compressed network: `module` with the weights that the arrays stand for.

    layers: layer -> array name -> bytes. rest: tensor name -> bytes. example: bytes of the one that is kept. held:
    input -> bytes of those beside it.

    Raises FormatError naming the layer or tensor, also where the network has one that the file lacks.
    """
    taken = [Note("", f"Its file does not name {setting}, which is taken as by default.") for setting in header.unnamed]
    encodings = {stored.name: _restored(stored, layers[stored.name]) for stored in header.layers}
    forms = {
        stored.name: encodings[stored.name].decode().with_entering(_entering(stored, layers[stored.name]))
        for stored in header.layers
    }
    _check_encodings(header.recipe, encodings)
    state = module.state_dict()  # shares its memory with the module, so that filling it fills the module
    for stored in header.layers:
        weight = stored.arrangement.tensor(_composed(stored.name, forms[stored.name]))
        state[_parameter(stored.name, state)].copy_(torch.from_numpy(weight))
    buffers = dict(module.named_buffers(remove_duplicate=False))
    for tensor in header.rest:
        name = tensor.array.name
        state[name].copy_(torch.from_numpy(_tensor(tensor, rest[name], infinite=name in buffers)))
    dataset, given = _dataset(header, data), torch.zeros(1, *header.input_shape)
    if dataset is None and header.data is not None:
        taken.append(Note("", f"It was measured on data set {header.data[0]!r}, which is not here."))
    if header.example is not None and example is not None:
        given = torch.from_numpy(_tensor(header.example, example))
    if header.call is not None:
        others = {
            key: torch.from_numpy(_tensor(header.call.others[key], array, infinite=True)) for key, array in held.items()
        }
        Calling(header.call.first, others, header.call.answer).enters(module)
    try:
        model = Model.of_accepted(module, given, dataset, header.model, header.architecture)
        if not header.recipe.replaces:  # else its steps name layers of two networks
            header.recipe.check(model)
    except (ModelError, RecipeError) as error:
        raise FormatError(f"it does not fit the network: {str(error).removesuffix('.')}") from error
    _check_names("layer", [one.name for one in header.layers], [one.name for one in model.layers])
    for stored, layer in zip(header.layers, model.layers, strict=True):
        if stored.arrangement != layer.arrangement:
            raise FormatError(f"layer {layer.name!r}: its weight lies otherwise in the network's tensor")
    _check_names("tensor", [one.array.name for one in header.rest], list(model.rest))
    return EncodedModel(
        model,
        MappingProxyType(forms),
        recipe=header.recipe,
        previews=header.previews,
        step_notes=tuple(taken),
        given=MappingProxyType(encodings),
        began=header.original,
    )


def _check_encodings(recipe: Recipe, encodings: Mapping[str, Encoding]) -> None:
    """Raises FormatError where a layer is stored otherwise than the recipe names."""
    for layer, wanted in recipe.encodings.items():
        if layer in encodings:
            stored = {encodings[layer].name}
            if stored == {FACTORED} != {wanted}:
                stored = {factor["encoding"] for factor in encodings[layer].fields()["factors"]}
            if stored != {wanted}:
                raise FormatError(f"layer {layer!r}: it is stored as {', '.join(sorted(stored))}, not as {wanted}")


def _parameter(layer: str, state: Mapping[str, torch.Tensor]) -> str:
    """The name in the state dict of that layer's weight; "" where the network has none."""
    return next((name for name in (f"{layer}.weight", layer) if name in state), "")


def _check_layer(stored: StoredLayer, state: Mapping[str, torch.Tensor]) -> None:
    """Before a byte of it is unpacked: what it unpacks to is then no larger than the network itself."""
    tensor = state.get(_parameter(stored.name, state))
    if tensor is None:
        raise FormatError(f"it holds a layer {stored.name!r}, which the network does not have")
    if not stored.arrangement.fits(tuple(tensor.shape)):
        raise FormatError(f"layer {stored.name!r}: its weight cannot lie so in a tensor of shape {tuple(tensor.shape)}")
    shape, known = shape_of(stored.fields.get("shape")), stored.arrangement.shape(tuple(tensor.shape))
    if shape != known:
        raise FormatError(f"layer {stored.name!r}: its weight has shape {shape}, the network's {known}")
    if sum(one.size for one in stored.arrays) > 32 * math.prod(shape) + 4096:
        raise FormatError(f"layer {stored.name!r}: its arrays are larger than its weights could be in any encoding")


def _check_tensor(stored: StoredTensor, known: torch.Tensor | None) -> None:
    name = stored.array.name
    if known is None:
        raise FormatError(f"it holds a tensor {name!r}, which the network does not have")
    dtype, shape = str(known.dtype).removeprefix("torch."), tuple(known.shape)
    if (stored.dtype, stored.shape) != (dtype, shape):
        raise FormatError(f"tensor {name!r} is {stored.dtype} {stored.shape} where the network's is {dtype} {shape}")


def _check_names(kind: str, stored: list[str], known: list[str]) -> None:
    for name in known:
        if name not in stored:
            raise FormatError(f"it lacks the {kind} {name!r} of the network")
    if stored != known:
        raise FormatError(f"its {kind}s are not those of the network, once each and in its order")


def _restored(stored: StoredLayer, arrays: Arrays) -> Encoding:
    own = {name: data for name, data in arrays.items() if stored.entering is None or not name.startswith(ENTERING)}
    try:
        return stored.scheme.restore(stored.fields, own)
    except FormatError as error:
        raise FormatError(f"layer {stored.name!r}: {error}") from error


def _entering(stored: StoredLayer, arrays: Arrays) -> Levels | None:
    """The levels that the layer's input is rounded to, all of it alike."""
    if stored.entering is None:
        return None
    tables = {name.removeprefix(ENTERING): data for name, data in arrays.items() if name.startswith(ENTERING)}
    reading = Reading(stored.entering, tables)
    try:
        levels = LEVELS[reading.choice("kind", tuple(LEVELS))].restore(reading, (1, 1))
        reading.finish()
        if not levels.pointwise:
            raise FormatError(f"numbers cannot be rounded to levels of kind {levels.kind!r} one by one")
        return levels
    except FormatError as error:
        raise FormatError(f"layer {stored.name!r}: its input's {error}") from error


def _composed(name: str, form: Form) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        weight = form.compose()
    if not all_finite(weight):
        raise FormatError(f"layer {name!r}: its weights are not all finite")
    return weight


def _tensor(stored: StoredTensor, array: NDArray[np.uint8], infinite: bool = False) -> NDArray[Any]:
    """infinite: whether its numbers may be."""
    if stored.dtype == "bool" and (array > 1).any():
        raise FormatError(f"tensor {stored.array.name!r} holds bytes that are neither true nor false")
    values = array.view(np.dtype(stored.dtype).newbyteorder("<")).astype(stored.dtype).reshape(stored.shape)
    if np.isnan(values).any() or not (infinite or np.isfinite(values).all()):
        raise FormatError(f"tensor {stored.array.name!r} holds values that are NaN or infinite")
    return values


def _dataset(header: Header, given: Dataset | None) -> Dataset | None:
    if header.data is None:
        return given
    name, digest = header.data
    dataset = given if given is not None or name not in datasets.names() else datasets.load(name)
    if dataset is not None and dataset.split("test").digest != digest:
        raise FormatError(f"it was measured on other test images than those of data set {dataset.name!r}")
    return dataset
