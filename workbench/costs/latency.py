"""Seconds of one inference, measured here and now: packed kernels beside dense torch (catalogue ME-08).

Batch size 1, both sides in turn in one process, on as many threads as torch uses. What is compiled is compiled before
the clock starts. A kernel that is slower here than dense torch is not used (`network/verdicts.py`); the layer's note
says so, and why.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, repeat
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from workbench.costs import Cost
from workbench.errors import Stopped
from workbench.kernels.binary.grids import Grid, GridConvolution, GridMatrix, GridWeights
from workbench.kernels.binary.layers import SignConvolution, SignMatrix
from workbench.kernels.lowbit import products as lowbit
from workbench.kernels.lowbit.convolution import LowBitConvolution
from workbench.kernels.sparse.block import BlockSparse
from workbench.kernels.sparse.convolution import SparseConvolution
from workbench.kernels.sparse.stream import SparseStream
from workbench.kernels.sparse.survivors import Survivors
from workbench.models.exits import passing
from workbench.network import verdicts
from workbench.network.declined import Declined
from workbench.network.geometry import Use
from workbench.network.interleaved import interleaved
from workbench.network.packed import PackedConv2d, PackedLinear
from workbench.report.figures import Figure, Latency
from workbench.report.layers import RunsDense
from workbench.weights.encoding import Convolution, Kernel
from workbench.weights.form import Form
from workbench.weights.products import PackedMatrix, PatternedMatrix

if TYPE_CHECKING:
    from workbench.devices.device import Device
    from workbench.network.encoded import EncodedModel

CATALOGUE = ("ME-08",)

BUDGET = 0.3  # seconds of measuring
_WHOLE = 1 / 3  # of them for the network as a whole, the rest for its layers
_SEVERAL = 500  # test images that a network with side exits is timed on
_FEWEST = 5  # timings of each candidate, whatever the budget
_SKIP_ZEROS = (SparseStream, SparseConvolution, PatternedMatrix)
_LAY_OUT_BITS = (SignMatrix, SignConvolution, GridMatrix, GridConvolution)


class InferenceLatency(Cost):
    """Median seconds of one inference on the packed kernels, and its quartiles. The device is this machine."""

    title, unit, badge, words = "Latency", "s", "measured", ("faster", "slower")
    at_once = False

    @classmethod
    def of(cls, compressed: EncodedModel, device: Device) -> Figure:
        found = measure(compressed).packed
        return cls.figure(found.median, low=found.low, high=found.high)


@dataclass(frozen=True)
class LayerLatency:
    """All calls of one layer in one inference; None of a weight that is multiplied in no call of its own.

    note: how much smaller it runs, why its kernel brings nothing; or "". runs_dense: where no kernel of its encoding is
    used, since they are slower.
    """

    dense: Latency | None
    packed: Latency | None
    note: str
    runs_dense: RunsDense | None = None


@dataclass(frozen=True)
class Latencies:
    """dense: the network as it came, in torch; None where a file was made of another one. packed: the compressed
    network on its encodings."""

    dense: Latency | None
    packed: Latency
    by_layer: Mapping[str, LayerLatency]


def measure(
    compressed: EncodedModel, budget: float = BUDGET, *, cancelled: Callable[[], bool] = lambda: False
) -> Latencies:
    """Latency of a compressed network and of its layers. budget: seconds, shared out evenly; slow layers may exceed it.

    Beside them, kernels that have no verdict yet take some milliseconds each. Raises Stopped as soon as `cancelled`
    says so between two layers.
    """
    model = compressed.model
    dense = copy.deepcopy(model.module)
    running = compressed.running(judge=partial(verdicts.measured, cancelled=cancelled))
    packed, image = running.module, _image(compressed)
    with torch.inference_mode():
        inputs = []  # of a layer in the network as it came, and where dead channels are left out
        for network in (dense, packed):
            with passing(network):
                inputs.append(_inputs(network, [layer.name for layer in model.layers if layer.called], image))
        whole = copy.deepcopy(compressed.original.module)
        candidates = tuple(partial(_next, network, _images(compressed)) for network in (whole, packed))
        was_whole, now_whole = _interleaved(candidates, budget * _WHOLE)
        by_layer = {}
        for layer in model.layers:
            if cancelled():
                raise Stopped
            if not layer.called:
                by_layer[layer.name] = LayerLatency(None, None, running.said_of(layer.name))
                continue
            name, module = layer.name, packed.get_submodule(layer.name)
            candidates = tuple(
                partial(_run, network.get_submodule(name), calls[name])
                for network, calls in zip((dense, packed), inputs, strict=True)
            )
            was, now = _interleaved(candidates, budget * (1 - _WHOLE) / len(model.layers))
            form = compressed.forms[name]
            if name in running.crossings:
                form = running.crossings[name].form(form) or form
            declined = running.dense.get(name, ())
            gain = _note(form, module, declined, len(inputs[0][name]), was, now)
            note = " ".join(filter(None, (running.said_of(name), gain)))
            by_layer[name] = LayerLatency(was, now, note, _runs_dense(module, declined, compressed.uses[name]))
    known = compressed.original_name == compressed.original.name
    return Latencies(was_whole if known else None, now_whole, by_layer)


def _images(compressed: EncodedModel) -> Iterator[torch.Tensor]:
    """The same one again and again; where a network has side exits, one test image after another: they differ."""
    if compressed.model.thresholds and compressed.model.data is not None:
        several = compressed.model.entering(compressed.model.data.split("test").inputs(slice(_SEVERAL)))
        return cycle(several.split(1))
    return repeat(_image(compressed))


def _next(network: nn.Module, images: Iterator[torch.Tensor]) -> None:
    network(next(images))


def _image(compressed: EncodedModel) -> torch.Tensor:
    """A test image where there are any; else noise."""
    model = compressed.model
    if model.data is not None:
        return model.entering(model.data.split("test").inputs(slice(1)))
    return model.noise()


def _inputs(module: nn.Module, names: Iterable[str], image: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    """What each layer is called with in one inference; a call of a layer that shares its weight is that one's own."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    hooks = [
        module.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: found[name].append(x[0].clone()))
        for name in found
    ]
    module(image)
    for hook in hooks:
        hook.remove()
    return found


def _run(module: nn.Module, calls: list[torch.Tensor]) -> None:
    for x in calls:
        module(x)


def _interleaved(candidates: tuple[Callable[[], Any], ...], seconds: float) -> tuple[Latency, ...]:
    """Median and quartiles of each candidate."""
    times: list[tuple[float, ...]] = []
    with interleaved(candidates) as take:
        end = perf_counter() + seconds
        while len(times) < _FEWEST or perf_counter() < end:
            times.append(take())
    threads = torch.get_num_threads()
    quartiles = np.percentile(times, (25, 50, 75), axis=0).T.tolist()
    return tuple(Latency(median, low=low, high=high, threads=threads) for low, median, high in quartiles)


def _runs_dense(module: nn.Module, declined: Sequence[Declined], uses: Sequence[Use]) -> RunsDense | None:
    """None where a kernel is used, or where there is none for what the encoding stores."""
    if not declined or _kernels(module):
        return None
    macs = sum([use.macs for use in uses])
    moved = sum([one.nbytes for one in module.parameters()]) + 4 * sum([use.inputs + use.outputs for use in uses])
    kernel, dense = (sum([getattr(one.verdict, side) for one in declined]) for side in ("kernel", "dense"))
    return RunsDense(kernel / dense, macs, macs / max(moved, 1))


def _kernels(module: nn.Module) -> list[Kernel]:
    """Those that what stands in a layer's place multiplies with."""
    tensors = list(module) if isinstance(module, nn.Sequential) else [module]
    return [one.kernel for one in tensors if isinstance(one, PackedLinear | PackedConv2d)]


def _note(
    form: Form, module: nn.Module, declined: Sequence[Declined], calls: int, dense: Latency, packed: Latency
) -> str:
    """Why a compressed layer is no faster than dense torch; "" where it is, or where nothing was compressed.

    Where a kernel is not used, why that one is slower.
    """
    kernels = [type(one) for one in _kernels(module)]
    weights = sum(part.values.size for part in form.parts)
    zeros = 1 - sum(part.nonzeros for part in form.parts) / weights if weights else 0.0
    if declined and not form.factored:
        (one,) = declined
        said = _reason(form, zeros, [one.kind], 1, one.verdict.dense, one.verdict.kernel)
        return said[:1].upper() + said[1:]
    if not kernels and not form.factored:
        if not zeros:
            return ""
        return f"Stored as float32: its {zeros:.0%} zeros are too few for a smaller encoding, so torch multiplies it."
    if packed.median <= dense.median:
        return ""
    if packed.low is not None and dense.high is not None and packed.low <= dense.high:
        return "No difference to dense torch beyond the spread of the measurements."
    said = _reason(form, zeros, kernels, calls, dense.median, packed.median)
    return said if said.startswith("Too small") else f"Dense torch is faster here: {said}"


def _reason(form: Form, zeros: float, kernels: Sequence[type[Kernel]], calls: int, dense: float, packed: float) -> str:
    """Why a call of such kernels takes `packed` seconds, and of dense torch only `dense`."""
    alone = calls * sum(_call(kind) for kind in kernels)
    if alone >= dense or alone > packed / 2:
        return f"Too small to gain: the call itself takes {_micro(alone)}, dense torch in all {_micro(dense)}."
    share = (dense - alone) / (packed - alone)  # of the work that would take as long as dense torch
    if form.rank is not None:
        return f"rank {form.rank} is above this machine's break-even of about {int(form.rank * share)} for this shape."
    if issubclass(kernels[0], _SKIP_ZEROS):
        needed = 1 - (1 - zeros) * share
        if needed > 0.99:
            return f"{zeros:.0%} zeros gain too little on this shape, as would any number."
        return f"{zeros:.0%} zeros are below this machine's break-even of about {needed:.0%} for this shape."
    if issubclass(kernels[0], _LAY_OUT_BITS):
        return "laying out the bits of the inputs takes longer than their products save."
    bits, weights = max(part.bits for part in form.parts), sum(part.size for part in form.parts)
    saved = f"{bits} bit{' saves' if bits == 1 else 's save'} memory traffic and no arithmetic"
    return f"{saved}, and the layer has {weights * 4 / 1000:,.0f} kB of float32 weights only."


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f} µs"


_calls: dict[type[Kernel], float] = {}


def _call(kind: type[Kernel]) -> float:
    """Seconds that a call of such a kernel takes with next to nothing to do."""
    if kind not in _calls:
        smallest = _SMALLEST[kind]()
        x = np.zeros((1, 1, 1, 1) if kind in _OF_IMAGES else (1, 1), np.float32)
        _calls[kind] = _interleaved((lambda: smallest.multiply(x),), 2e-3)[0].median
    return _calls[kind]


def _one_code() -> lowbit.LowBit:
    return lowbit.affine(np.zeros((1, 1), np.uint8), 4, np.ones(1, np.float32), np.zeros(1, np.float32))


def _one_survivor() -> SparseStream:
    return SparseStream.of_survivors(Survivors.from_dense(np.ones((1, 1), np.float32)))


def _two_planes(*shape: int) -> GridWeights:
    one = np.ones(1, np.float32)
    return GridWeights.of(np.zeros(shape, np.uint8), 1, one, one, Grid(2, 1.0, 0))


_OF_IMAGES = (LowBitConvolution, SparseConvolution, SignConvolution, GridConvolution)
_ONCE = Convolution()
_SIGN = np.ones((1, 1), np.float32)
_SMALLEST: dict[type[Kernel], Callable[[], Kernel]] = {
    PackedMatrix: lambda: PackedMatrix(_one_code()),
    SparseStream: _one_survivor,
    LowBitConvolution: lambda: LowBitConvolution(
        (1, 1, 1, 1), _ONCE.stride, _ONCE.padding, _ONCE.dilation, _one_code()
    ),
    SparseConvolution: lambda: SparseConvolution(_one_survivor(), (1, 1, 1, 1)),
    PatternedMatrix: lambda: PatternedMatrix(BlockSparse.of(Survivors.from_dense(np.ones((8, 1), np.float32)), 8)),
    SignMatrix: lambda: SignMatrix.of(_SIGN, _SIGN[0], True),
    SignConvolution: lambda: SignConvolution.of(_SIGN[:, :, None, None], _SIGN[0], True),
    GridMatrix: lambda: GridMatrix(_two_planes(1, 1)),
    GridConvolution: lambda: GridConvolution(_two_planes(1, 1, 1, 1)),
}
