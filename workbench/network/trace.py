"""One forward pass, watched: which layers are called with which shapes, and which operators do multiplications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.backends import mha, mkldnn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from workbench.errors import ModelError, reason
from workbench.models.exits import passing
from workbench.network.computation import Computation
from workbench.network.liveness import Activity, Recorder
from workbench.network.multiplications import Multiplication, Multiplications
from workbench.network.outlines import OUTLINES

# Operators, without their underscores, that no tag calls pointwise or a view and that do no multiply-accumulates.
_WITHOUT_MACS = frozenset(
    (
        "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
        "adaptive_max_pool3d", "all", "amax", "amin", "aminmax", "any", "arange", "argmax", "argmin", "argsort",
        "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "bernoulli", "bucketize", "cat", "channel_shuffle",
        "clone", "constant_pad_nd", "copy", "cudnn_batch_norm", "cummax", "cummin", "cumsum", "diag_embed",
        "embedding", "embedding_bag_forward_only", "empty", "empty_like", "empty_strided", "eye", "fill", "flip",
        "full", "full_like", "gather", "index", "index_put", "index_select", "lift_fresh", "linalg_vector_norm",
        "linspace", "local_scalar_dense", "log_softmax", "logsumexp", "masked_fill", "masked_scatter", "max",
        "max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices", "mean", "min",
        "native_batch_norm", "native_batch_norm_legit_no_training", "native_channel_shuffle", "native_dropout",
        "native_group_norm", "native_layer_norm", "new_empty", "new_full", "new_ones", "new_zeros", "nonzero",
        "one_hot", "ones", "ones_like", "pixel_shuffle", "prelu_kernel", "prod", "rand", "randint", "randn",
        "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "repeat", "replication_pad1d",
        "replication_pad2d", "replication_pad3d", "reshape_alias", "roll", "rot90", "safe_softmax", "scalar_tensor",
        "scatter", "searchsorted", "slice_scatter", "softmax", "sort", "squeeze", "stack", "std", "sum", "to_copy",
        "topk", "transpose", "tril", "triu", "unique2", "unsafe_split", "unsafe_split_with_sizes", "unsafe_view",
        "unsqueeze", "upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d", "upsample_nearest1d",
        "upsample_nearest2d", "upsample_nearest3d", "upsample_trilinear3d", "var", "var_mean", "zeros", "zeros_like",
    )
)  # fmt: skip


# Those that no tag calls pointwise and that, in evaluation mode, change each number on its own.
_POINTWISE = frozenset(("batch_norm", "cudnn_batch_norm", "native_batch_norm", "native_batch_norm_legit_no_training"))


@dataclass(frozen=True)
class Call:
    """One use of a layer on one image; shapes include the batch of one, and of images of one row that row.

    positions: how often each of its weights is used, on average where parts of them are used more often than others.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    positions: float


@dataclass(frozen=True)
class Trace:
    """calls: by layer that is called. multiplications: by parameter that is multiplied, in a call of a layer or not.
    order: layer or parameter -> its first place among the operators. by_name: layers that are given their input by its
    name. macs: of the whole pass. uncounted: operators left out.

    outputs: shape of the answer, None where it is no tensor. activity: its operations, and the activations that they
    make. operators: what the pass computes of its input and the weights, see `Computation`; reads: bytes of each tensor
    of the state dict that it reads, each once; readers: the layers that are called meanwhile, "" outside of any.
    decides: whether Python looked at a value, on which the way it took may depend.
    """

    calls: Mapping[str, tuple[Call, ...]]
    multiplications: Mapping[str, tuple[Multiplication, ...]]
    order: Mapping[str, int]
    by_name: frozenset[str]
    macs: int
    uncounted: tuple[str, ...]
    outputs: tuple[int, ...] | None
    activity: Activity
    operators: tuple[str, ...]
    reads: Mapping[str, int]
    readers: Mapping[str, set[str]]
    decides: bool

    @property
    def last(self) -> str:
        """The operator whose result the answer is, or a view of, as "sigmoid"; "" where it is that of none."""
        number = self.operators[-1].split()[1].partition(".")[0]  # "answer 17.0 torch.float32 ..."
        return self.operators[int(number) - 1].split(".")[1].strip("_") if number.isdigit() else ""


class _Watch(TorchDispatchMode):
    """Sees every operator. Never compiled, so that the compiler, a second and 80 MB to import, is left alone."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Operators(_Watch):
    """Collects the operators that may multiply but that no counting rule covers, and what all of them read and write.

    entered: the layers that are being called, the innermost last. calls: those that have been, with their number.
    """

    def __init__(
        self,
        example: torch.Tensor,
        module: nn.Module,
        entered: list[str],
        calls: Mapping[str, list[Call]],
        counter: _Macs,
    ) -> None:
        super().__init__()
        self._counter = counter
        self.uncounted: dict[str, None] = {}
        self.decides = False
        self.recorder = Recorder()
        self._entered, self._calls = entered, calls
        self._kept: list[StorageWeakRef] = []  # so that no address is given out again while it is looked up
        self.recorder.begin(self._memory(example), _nbytes(example))
        self.computation = Computation(self._memory, example, module.state_dict(), entered)
        self.multiplications = Multiplications(self._memory, dict(module.named_parameters()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func._overloadpacket
        name = packet.__name__.strip("_")
        harmless = torch.Tag.pointwise in func.tags or func.is_view or name in _WITHOUT_MACS or _rule(packet)
        weighed = name == "embedding_bag_forward_only" and len(args) > 6 and args[6] is not None
        if not harmless or weighed:
            self.uncounted[str(packet)] = None
        self.decides |= name == "local_scalar_dense"
        self.computation.see(func, args, kwargs)
        before = self._counter.macs
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.computation.gives(func, args, kwargs, _tensors(result))
            at = len(self.computation.operators)
            self.multiplications.see(name, args, _tensors(result), self._counter.macs - before, at)
        self._record(func, args, kwargs or {}, result)
        return result

    def _record(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        if func.is_view:
            return
        reads = [self._memory(one) for one in _tensors((args, kwargs))]
        writes = [(self._memory(one), _nbytes(one)) for one in _tensors(result)]
        changed = [memory for memory, _ in writes if memory in reads] if func._schema.is_mutable else []
        layer = self._entered[-1] if self._entered else ""
        call = len(self._calls.get(layer, ()))
        name = func._overloadpacket.__name__.strip("_")
        pointwise = torch.Tag.pointwise in func.tags or name in _POINTWISE
        self.recorder.see(reads, writes, changed, pointwise, layer, call)

    def _memory(self, tensor: torch.Tensor) -> int:
        """What tells the tensor's memory from any other's, views of it sharing it."""
        held = StorageWeakRef(tensor.untyped_storage())
        self._kept.append(held)
        return held.cdata

    def activity(self, result: Any) -> Activity:
        return self.recorder.activity([self._memory(one) for one in _tensors(result)])


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided]


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    """Operations of scaled dot-product attention on the processor, of which torch knows those on other devices."""
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


_RULES = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}


def _rule(packet: Any) -> Any:
    """How the operations of an operator are counted; None where nobody knows."""
    return _RULES.get(packet) or flop_registry.get(packet)


class _Macs(_Watch):
    """Counts by torch's own rules, as its FlopCounterMode does; what has no rule is taken apart where it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = _rule(func._overloadpacket)
        if func in OUTLINES and args[0].is_meta:
            outlined = OUTLINES[func](*args, **kwargs)
            self.macs += 0 if rule is None else rule(*args, **kwargs, out_val=outlined) // 2
            return outlined
        if rule is None:
            with self:
                result = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        result = func(*args, **kwargs)
        self.macs += rule(*args, **kwargs, out_val=result) // 2
        return result


def trace(module: nn.Module, paths: Mapping[int, str], example: torch.Tensor) -> Trace:
    """Run `module` on `example` [1, ...]; `paths` names the layers (by id) whose calls are recorded.

    MACs are those of `torch.utils.flop_counter` halved (it counts 2 a MAC). What torch would do in one operator, as
    recurrent layers and attention, it does step by step meanwhile. Raises ModelError where the pass fails.
    """
    calls: dict[str, list[Call]] = {}
    order: dict[str, int] = {}
    by_name: set[str] = set()
    entered: list[str] = []

    def enter(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered.append(paths[id(layer)])

    def leave(layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        given = [one for one in (*inputs, *named.values()) if isinstance(one, torch.Tensor)]
        if not given or not isinstance(output, torch.Tensor):
            raise TypeError("it does not make one tensor of another")
        path = entered.pop()
        if not any(isinstance(value, torch.Tensor) for value in inputs[:1]):
            by_name.add(path)
        shapes = [tuple(one.shape) for one in (given[0], output)]
        if isinstance(layer, nn.Conv1d):
            shapes = [(*shape[:-1], 1, shape[-1]) for shape in shapes]
        weight: Any = layer.weight
        calls.setdefault(path, []).append(Call(shapes[0], shapes[1], output.numel() // weight.shape[0]))
        order.setdefault(path, len(operators.computation.operators))

    watched = [one for one in module.modules() if id(one) in paths]
    hooks: list[Any] = [one.register_forward_pre_hook(enter) for one in watched]
    hooks += [one.register_forward_hook(leave, with_kwargs=True) for one in watched]
    counter = _Macs()
    operators = _Operators(example, module, entered, calls, counter)
    try:
        with torch.no_grad(), passing(module), step_by_step(module), counter, operators:
            result = module(example)
        operators.computation.ends(result)
    except Exception as error:  # a user's module may fail in any way; the sentence says where and why
        where = f"layer {entered[-1]!r} stopped it" if entered else "it stopped outside the layers"
        raise ModelError(
            f"The network does not accept an input of shape {tuple(example.shape)}: {where} ({reason(error)})."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    by_layer = {path: tuple(found) for path, found in calls.items()}
    computation, uncounted = operators.computation, tuple(operators.uncounted)
    multiplications = operators.multiplications.found
    return Trace(
        by_layer,
        multiplications,
        {name: found[0].at for name, found in multiplications.items()} | order,
        frozenset(by_name),
        counter.macs,
        uncounted,
        tuple(result.shape) if isinstance(result, torch.Tensor) else None,
        operators.activity(result),
        tuple(computation.operators),
        MappingProxyType(computation.reads),
        MappingProxyType(computation.readers),
        operators.decides,
    )


@contextmanager
def step_by_step(module: nn.Module) -> Iterator[None]:
    """Without torch's operators for a whole LSTM or attention, in which nothing can be told from the rest.

    Other threads see that, too, so that it is done only where there are such layers.
    """
    recurrent = any(isinstance(part, nn.LSTM) for part in module.modules())
    attending = any(isinstance(part, nn.MultiheadAttention) for part in module.modules())
    backend: Any = mkldnn  # whose switch has no type that could be named
    whole, fast = backend.enabled, mha.get_fastpath_enabled()
    try:
        backend.enabled = whole and not recurrent
        mha.set_fastpath_enabled(fast and not attending)
        yield
    finally:
        backend.enabled = whole
        mha.set_fastpath_enabled(fast)
