"""One forward pass, watched: which layers are called with which shapes, and which operators do multiplications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from workbench.errors import ModelError

# Operators outside the pointwise and view families that multiply no weights with activations.
_WITHOUT_MACS = frozenset(
    "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d mean sum amax amin max min _softmax _log_softmax cat stack "
    "native_batch_norm _native_batch_norm_legit_no_training native_layer_norm native_group_norm clone copy_ _to_copy "
    "constant_pad_nd embedding arange zeros ones full empty index gather upsample_nearest2d upsample_bilinear2d var "
    "var_mean std argmax topk sort max_pool2d adaptive_max_pool2d max_pool1d cudnn_batch_norm batch_norm "
    "zeros_like ones_like full_like empty_like scalar_tensor _local_scalar_dense roll flip pixel_shuffle "
    "channel_shuffle native_channel_shuffle cumsum logsumexp linalg_vector_norm reflection_pad2d replication_pad2d "
    "lift_fresh index_select repeat masked_fill slice_scatter unsafe_view reshape_alias native_dropout bernoulli_ fill_ tril triu".split()
)


@dataclass(frozen=True)
class Call:
    """One use of a layer on one image; shapes include the batch of one."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """calls: by layer, in order of first use. macs: of the whole pass. uncounted: operators left out of `macs`."""

    calls: Mapping[str, tuple[Call, ...]]
    macs: int
    uncounted: tuple[str, ...]


class _Operators(TorchDispatchMode):
    """Collects the operators that may multiply but that no counting rule covers."""

    def __init__(self) -> None:
        super().__init__()
        self.uncounted: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func._overloadpacket
        harmless = (
            torch.Tag.pointwise in func.tags or func.is_view or packet.__name__.strip("_") in _HARMLESS or packet in flop_registry
        )
        if not harmless:
            self.uncounted[str(packet)] = None
        return func(*args, **(kwargs or {}))


_HARMLESS = frozenset(name.strip("_") for name in _WITHOUT_MACS)


def trace(module: nn.Module, paths: Mapping[int, str], example: torch.Tensor) -> Trace:
    """Run `module` on `example` [1, ...]; `paths` names the modules (by id) whose calls are recorded.

    MACs are those of `torch.utils.flop_counter` halved (it counts 2 a MAC). Raises ModelError where the pass fails.
    """
    calls: dict[str, list[Call]] = {}
    entered: list[str] = []

    def enter(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered.append(paths[id(layer)])

    def leave(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        entered.pop()
        calls.setdefault(paths[id(layer)], []).append(Call(tuple(inputs[0].shape), tuple(output.shape)))

    watched = [one for one in module.modules() if id(one) in paths]
    hooks = [hook for one in watched for hook in (one.register_forward_pre_hook(enter), one.register_forward_hook(leave))]
    counter, operators = FlopCounterMode(display=False), _Operators()
    try:
        with torch.no_grad(), counter, operators:
            module(example)
    except Exception as error:  # a user's module may fail in any way; the sentence says where and why
        where = f"layer {entered[-1]!r} stopped it" if entered else "it stopped outside the layers"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The network does not accept an input of shape {tuple(example.shape)}: {where} ({reason})."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return Trace(
        {path: tuple(one) for path, one in calls.items()}, counter.get_total_flops() // 2, tuple(operators.uncounted)
    )
