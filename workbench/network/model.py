"""A network as the workbench sees it: a torch module that never changes, and its layers with their shapes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.cache import fingerprint
from workbench.data.datasets import Dataset
from workbench.data.datasets import load as load_dataset
from workbench.data.split import SplitName
from workbench.errors import DataError, ModelError
from workbench.evidence import Layout
from workbench.models import zoo
from workbench.models.exits import exits
from workbench.names import NAME, is_name, printable
from workbench.network.calling import Calling, Key
from workbench.network.door import accepted, accepted_example, compressible
from workbench.network.layer import Layer
from workbench.network.layers import layers_of
from workbench.network.liveness import Activity
from workbench.network.trace import Trace, trace

RestPart = Literal["biases", "batch_norm", "other"]
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_COUNTING = (*_BATCH_NORMS, nn.SyncBatchNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


@dataclass(frozen=True, eq=False)
class Model:
    """A network, its layers in order of first use, and the images that judge it.

    module: in eval mode; never changed in place; on torch's device "meta" where the network is *blank*, known by its
    shapes alone. architecture: the zoo's name for it, by which a packed file is rebuilt without code; None for a user's
    own module. example: [1, ...], float32 or whole numbers, that it was traced with; kept: whether a file must hold it,
    since a pass of float32 zeros would not be the same one. rest: every other tensor that inference needs, and
    `rest_part` what the size counts it under; `reads`: bytes of it that an inference reads. uncounted: operators whose
    MACs could not be counted. other_macs: MACs of counted operators outside the layers, per image. activity: what a
    pass makes and when it is needed last, per image. decides: whether Python looks at values in it. digest: of all that
    it computes; core: the same without `rest`. shelved: whether it is the shelf's own network of that name. remarks:
    what was done to the module when it came in.
    """

    name: str
    module: nn.Module
    architecture: str | None
    example: torch.Tensor = field(repr=False)
    kept: bool
    data: Dataset | None
    layers: tuple[Layer, ...]
    rest: Mapping[str, NDArray[Any]]
    rest_part: Mapping[str, RestPart]
    reads: Mapping[str, int] = field(repr=False)
    uncounted: tuple[str, ...]
    other_macs: int
    activity: Activity = field(repr=False)
    decides: bool
    core: str = field(repr=False)
    digest: str = field(repr=False)
    shelved: bool = False
    remarks: tuple[str, ...] = ()

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        example_input: torch.Tensor,
        data: Dataset | str | Any = None,
        name: str | None = None,
        architecture: str | None = None,
        answer: Key | Sequence[Key] | None = None,
    ) -> Model:
        """Trace any torch module with one forward pass of `example_input` [batch, ...]. The module is copied.

        example_input: a tensor, or a tuple or dict of tensors, as the module takes them: images are then given to the
        first, and the others stay as they are. data: a data set, the name of one on the shelf, or one's own test
        images, see `Dataset.of`. answer: the place or name of the scores where the module gives more, as 0 or "logits".

        Raises ModelError, naming the layer, for weights that are NaN, infinite or absent, and where the module does not
        accept the example; DataError where the data's images have another shape, or labels have no score.
        """
        came = accepted(module)
        example, calling = Calling.of(example_input, answer)
        if calling is not None:
            calling.enters(Calling.plain(came.module))
        model = cls.of_accepted(came.module, example, data, name, architecture, came.halves)
        if calling is not None and calling.others:
            calling.check(model.module, example_input)
        return replace(model, remarks=came.remarks)

    @classmethod
    def of_accepted(
        cls, module: nn.Module, example_input: torch.Tensor, data: Any, name: str | None,
        architecture: str | None, halves: Mapping[str, str] = MappingProxyType({}),
    ) -> Model:  # fmt: skip
        """The same of a module that has come through the door (`network/door.py`), which is not copied again."""
        if name is not None and not is_name(name):
            raise ModelError(f"The name of a network must be {NAME}, not {name!r}.")
        example = accepted_example(example_input)
        if any(parameter.is_meta for parameter in module.parameters()):
            example = torch.empty(example.shape, dtype=example.dtype, device="meta")
        traced = _traced(module, example)
        dataset = None if data is None else Dataset.of(data)
        layers = layers_of(module, traced, halves)
        if not layers:
            raise ModelError("The network has no weights that its forward pass multiplies or looks up.")
        if dataset is not None:
            whole = not example.is_floating_point()
            dataset.check(tuple(example.shape[1:]), traced.outputs, whole=whole, last=traced.last)
        modules = dict(module.named_modules(remove_duplicate=False))
        rest = _rest(module, modules, layers)
        core = fingerprint(
            architecture, traced.operators, *_other_ways(module, traced, example), *map(_content, layers)
        )
        return cls(
            name=name or printable(type(module).__name__),
            module=module,
            architecture=architecture,
            example=example,
            kept=architecture is None and not example.is_meta and not _like_zeros(module, traced, example),
            data=dataset,
            layers=layers,
            rest=MappingProxyType(rest),
            rest_part=MappingProxyType({path: _rest_part(modules, path) for path in rest}),
            reads=MappingProxyType({path: traced.reads[path] for path in rest if path in traced.reads}),
            uncounted=traced.uncounted,
            other_macs=traced.macs - sum(layer.macs for layer in layers),
            activity=traced.activity,
            decides=traced.decides,
            core=core,
            digest=fingerprint(core, *rest.items()),
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Without the batch."""
        return tuple(self.example.shape[1:])

    @property
    def calling(self) -> Calling | None:
        """How it is called, where that is not with one input alone for one answer."""
        return Calling.within(self.module)

    def noise(self, images: int = 1) -> torch.Tensor:
        """[images, ...]: uniform noise, the same at every call; the example where the network takes whole numbers."""
        if not self.example.is_floating_point():
            return self.example.repeat(images, *(1 for _ in self.input_shape))
        return torch.rand(images, *self.input_shape, generator=torch.Generator().manual_seed(0))

    def entering(self, images: torch.Tensor) -> torch.Tensor:
        """Images as the network takes them: of its example's type."""
        return images.to(self.example.dtype)

    @cached_property
    def thresholds(self) -> Mapping[str, str]:
        """Of a network with side exits: layer that gives an exit's scores -> the tensor that holds its threshold."""
        found: dict[str, str] = {}
        for path in exits(self.module):
            names = [layer.name for layer in self.layers if layer.name.startswith(f"{path}.side.")]
            found |= dict.fromkeys(names[-1:], f"{path}.threshold")
        return MappingProxyType(found)

    @cached_property
    def bias_bytes(self) -> Mapping[str, int]:
        """Layer -> bytes of its biases; modules that share a weight have one each."""
        found = {}
        for layer in self.layers:
            biases = (self.rest.get(f"{name}.bias") for name in (layer.name, *layer.aliases))
            found[layer.name] = sum([bias.nbytes for bias in biases if bias is not None])
        return MappingProxyType(found)

    @cached_property
    def blank(self) -> bool:
        """Whether it is known by its shapes alone."""
        return any(layer.weight is None for layer in self.layers)

    def judged_by(self, split: SplitName) -> Model:
        """The same network, judged by the images of that split instead of its test images (`Dataset.judging_by`).

        Raises DataError where it has no data, or no such split.
        """
        if split == "test":
            return self
        if self.data is None:
            raise DataError(f"{self.name} came without images, so there is no {split} split to judge it by.")
        return replace(self, data=self.data.judging_by(split))

    def with_rest(self, tensors: Mapping[str, NDArray[Any]]) -> Model:
        """The same network with other values for some tensors beside the layers' weights."""
        module = copy.deepcopy(self.module)
        state = module.state_dict()
        for name, tensor in tensors.items():
            state[name].copy_(torch.from_numpy(tensor))
        rest = MappingProxyType({**self.rest, **tensors})
        return replace(self, module=module, rest=rest, digest=fingerprint(self.core, *rest.items()), shelved=False)

    def layout(self, layer: Layer) -> Layout:
        """What methods may know of a layer."""
        return Layout(
            layer.kind,
            layer.groups,
            bool(layer.aliases),
            output=layer is self.layers[-1],
            first=layer is self.layers[0],
            exit=layer.name in self.thresholds,
            special=layer.special,
            called=layer.called,
        )

    def layer(self, name: str) -> Layer:
        """The layer of that name. Raises ModelError where there is none."""
        for layer in self.layers:
            if name == layer.name or name in layer.aliases:
                return layer
        if name in dict(self.module.named_modules()):
            raise ModelError(f"Layer {name!r} of {self.name} has no weights that can be compressed.")
        known = ", ".join(layer.name for layer in self.layers)
        raise ModelError(f"{self.name} has no layer {name!r}; its layers are {known}.")


def load(name: str) -> Model:
    """A network of the zoo: a trained one with its data set, "lenet-5/mnist", or a blank one, "vgg-16".

    Raises ModelError listing the known names.
    """
    entry = zoo.entry(name)
    data = None if entry.data is None else load_dataset(entry.data)
    example = torch.zeros(1, *entry.input_shape)
    return replace(Model.from_module(zoo.module(name), example, data, name, entry.architecture), shelved=True)


def _way(module: nn.Module, example: torch.Tensor) -> tuple[str, ...]:
    try:
        return _traced(module, example).operators
    except ModelError as error:  # it need not take noise
        return (str(error),)


def _traced(module: nn.Module, example: torch.Tensor) -> Trace:
    """Of a copy that shares the parameters, so that a pass which counts, or keeps what it sees, leaves no trace."""
    parameters = {name: (tensor, _version(tensor)) for name, tensor in module.named_parameters()}
    watched = copy.deepcopy(module, {id(tensor): tensor for tensor, _ in parameters.values()})
    found = compressible(watched)
    traced = trace(watched, {id(layer): path for path, layer in reversed(found.items())}, example.clone())
    known = dict(module.named_modules())
    added = [path for path, _ in watched.named_modules() if path not in known]
    if added:
        raise ModelError(f"The network adds module {added[0]!r} in its forward pass; run it once before.")
    for name, (tensor, version) in parameters.items():
        if _version(tensor) != version:
            raise ModelError(f"The network changes its parameter {name!r} in its forward pass.")
    return traced


def _version(tensor: torch.Tensor) -> int:
    """How often it was written to; torch does not count that of one that was made in inference mode."""
    return 0 if tensor.is_inference() else tensor._version


def _like_zeros(module: nn.Module, traced: Trace, example: torch.Tensor) -> bool:
    """Whether a pass of float32 zeros is the same as that of the example."""
    if not example.is_floating_point():
        return False
    if not example.any():
        return True
    try:
        return _traced(module, torch.zeros_like(example)).operators == traced.operators
    except ModelError:
        return False


def _rest(module: nn.Module, modules: Mapping[str, nn.Module], layers: tuple[Layer, ...]) -> dict[str, NDArray[Any]]:
    """Every tensor of the state dict but the layers' weights and the counters of batch norms; shared ones once.

    Of a blank network they are zeros: nobody looks at more than their shapes.
    """
    state, buffers = module.state_dict(), dict(module.named_buffers(remove_duplicate=False))
    taken = {_memory(state[layer.parameter]) for layer in layers}
    rest: dict[str, NDArray[Any]] = {}
    for path, tensor in state.items():
        owner, _, leaf = path.rpartition(".")
        counts = leaf == "num_batches_tracked" and isinstance(modules[owner], _COUNTING)
        if counts or (tensor.numel() and _memory(tensor) in taken):
            continue
        taken.add(_memory(tensor))
        rest[path] = _array(tensor)
        if not tensor.is_floating_point():
            continue
        if path in buffers and np.isnan(rest[path]).any():  # an infinite one masks what attention is not to see
            raise ModelError(f"Tensor {path!r} has values that are NaN; the network cannot be compressed.")
        if path not in buffers and not np.isfinite(rest[path]).all():
            raise ModelError(f"Tensor {path!r} has values that are NaN or infinite; the network cannot be compressed.")
    return rest


def _other_ways(module: nn.Module, traced: Trace, example: torch.Tensor) -> list[tuple[str, ...]]:
    """What it computes of a few other inputs, where the way that it takes may depend on their values."""
    if not traced.decides or example.is_meta:
        return []
    generator = torch.Generator().manual_seed(0)
    if example.is_floating_point():
        inputs = [torch.randn(example.shape, generator=generator) for _ in range(16)]
    else:  # of the numbers that are in the example, since others need not be allowed
        shape, known = tuple(example.shape), example.reshape(-1)
        drawn = [torch.randint(known.numel(), shape, generator=generator) for _ in range(14)]
        inputs = [known[places] for places in drawn] + [torch.full_like(example, int(end)) for end in known.aminmax()]
    return [_way(module, one) for one in inputs]


def _content(layer: Layer) -> tuple[Any, ...]:
    """What tells a layer from others."""
    return layer.name, layer.half, layer.arrangement, layer.shape if layer.weight is None else layer.weight, layer.calls


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    if tensor.is_meta:
        return torch.zeros(tuple(tensor.shape), dtype=tensor.dtype).numpy()
    return tensor.detach().numpy().copy()


def _memory(tensor: torch.Tensor) -> tuple[Any, ...]:
    """What two tensors that are the same numbers have in common; slices of one tensor are not."""
    start = tensor.untyped_storage()._cdata, tensor.storage_offset()
    return *start, tensor.dtype, tuple(tensor.shape), tensor.stride()


def _rest_part(modules: Mapping[str, nn.Module], path: str) -> RestPart:
    owner, _, leaf = path.rpartition(".")
    if isinstance(modules[owner], _BATCH_NORMS):
        return "batch_norm"
    return "biases" if "bias" in leaf else "other"
