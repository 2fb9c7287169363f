"""ONNX: a compressed network for other runtimes and viewers, with its zeros, its factors and the codes of its weights.

Torch records the pass; then each weight on a uniform grid is stored as integers that DequantizeLinear turns into the
same float32 values: uint4 for up to 4 bits, else uint8. Weights on other levels are stored as the values that they
decode to, and a layer of several factors is as many convolutions or products. Inputs that are rounded to a uniform grid
go through QuantizeLinear and DequantizeLinear. Zeros are stored as any other value, and dead channels stay: the packed
file is the small one.

torch.onnx.export(dynamo=False) is used, which needs nothing beyond the package onnx, where its successor needs a second
compiler and takes seconds.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.errors import FormatError, reason
from workbench.files import replace
from workbench.models.exits import passing
from workbench.network.layer import Layer
from workbench.network.simulated import rounded
from workbench.network.state import State
from workbench.network.trace import step_by_step
from workbench.weights.levels.affine import Affine
from workbench.weights.part import Part

OPSET = 21  # the first with integers of 4 bits
INPUT, ANSWER = "input", "answer"
_TRACED = 20  # the last that torch.onnx.export(dynamo=False) writes


def write(state: State, path: Path) -> Path:
    """Write the file and return its path; what was there before stays where it cannot be written."""
    replace(path, [encode(state)])
    return path


def encode(state: State) -> bytes:
    """The file's bytes; its input is [N, ...], N images.

    Raises FormatError where ONNX has no operator for what the network does, and for a network without weights.
    """
    model = state.model
    if model.blank:
        raise FormatError(f"{model.name} has no weights here, so there is no ONNX file of it.")
    if model.decides or any(model.rest[threshold] > 0 for threshold in model.thresholds.values()):
        raise FormatError(f"{model.name} decides on its way while it runs, which an ONNX file cannot say.")
    plain = State(model, {name: form.with_entering(None) for name, form in state.forms.items()})
    module = plain.module()
    for layer in model.layers:
        _round_inputs(module, layer, state)
    recorded = _recorded(module, model.example, model.name)
    return _with_codes(recorded, state)


def _round_inputs(module: nn.Module, layer: Layer, state: State) -> None:
    levels = state.forms[layer.name].entering
    if levels is None:
        return
    if not (isinstance(levels, Affine) and levels.pointwise and levels.whole):
        raise FormatError(f"Layer {layer.name!r} rounds its input in a way for which ONNX has no operator.")
    for place in {id(module.get_submodule(path)): path for path in layer.paths}.values():
        module.get_submodule(place).register_forward_pre_hook(_rounding(levels))


def _rounding(levels: Affine) -> Callable[..., Any]:
    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x, *others = inputs
        return (_Rounded.apply(x, levels), *others)

    return hook


class _Rounded(torch.autograd.Function):
    """An input at its levels, and what ONNX calls that."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, levels: Affine) -> torch.Tensor:
        return rounded(x, levels)

    @staticmethod
    def symbolic(graph: Any, x: Any, levels: Affine) -> Any:
        def constant(number: Any, kind: torch.dtype) -> Any:
            return graph.op("Constant", value_t=torch.tensor(number, dtype=kind))

        scale, point = float(levels.scale[0]), int(levels.zero_point[0])
        ends = (scale * (code - point) for code in (0, levels.highest))
        within = graph.op("Clip", x, *(constant(end, torch.float32) for end in ends))
        grid = constant(scale, torch.float32), constant(point, torch.uint8)
        return graph.op("DequantizeLinear", graph.op("QuantizeLinear", within, *grid), *grid)


def _recorded(module: nn.Module, example: torch.Tensor, name: str) -> bytes:
    file = io.BytesIO()
    torch._C._jit_set_onnx_log_output_stream("stderr")  # where a graph is printed that cannot be written
    try:
        with warnings.catch_warnings(), passing(module), step_by_step(module), torch.no_grad():
            warnings.simplefilter("ignore")  # it is said to have a successor, see above
            torch.onnx.export(
                module,
                (example,),
                file,  # type: ignore[arg-type]  # its types forget what may be written to
                dynamo=False,
                opset_version=_TRACED,
                training=torch.onnx.TrainingMode.PRESERVE,  # batch norms keep their tensors
                do_constant_folding=False,  # as do layers
                input_names=[INPUT],
                output_names=[ANSWER],
                dynamic_axes={INPUT: {0: "N"}, ANSWER: {0: "N"}},
            )
    except Exception as error:  # a user's module may hold anything
        raise FormatError(f"{name} cannot be written as ONNX ({reason(error)}).") from error
    return file.getvalue()


def _with_codes(recorded: bytes, state: State) -> bytes:
    """The same computation from the weights' codes where they have any."""
    import onnx  # a fifth of a second, which only who asks for a file spends

    graph_of = onnx.version_converter.convert_version(onnx.load_from_string(recorded), OPSET)
    graph = graph_of.graph
    tensors = {one.name: one for one in graph.initializer}
    first: list[Any] = []
    for name, part in _parts(state):
        codes = _codes(part)
        if name in tensors and codes is not None:
            dims = tuple(tensors[name].dims)
            graph.initializer.remove(tensors[name])
            first += _decoding(onnx, graph, name, dims, *codes)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *nodes])
    graph.name = state.model.name
    graph_of.producer_name = "compression-workbench"
    onnx.checker.check_model(graph_of)
    content: bytes = graph_of.SerializeToString()
    return content


def _parts(state: State) -> Iterator[tuple[str, Part]]:
    """The tensors of the layers by their names in `state.module()`, but for those whose axes are swapped there."""
    for layer in state.model.layers:
        parts = state.forms[layer.name].parts
        if len(parts) > 1:
            yield from ((f"{layer.name}.{place}.weight", part) for place, part in enumerate(parts))
        elif not layer.arrangement.swapped:
            yield layer.parameter, parts[0]


def _codes(part: Part) -> tuple[Affine, NDArray[np.uint8]] | None:
    """Levels and codes from which every value follows, zeros too; None where integers cannot say that."""
    levels = part.levels
    if not isinstance(levels, Affine) or not levels.whole or part.codes is None:
        return None
    full = levels.with_zeros(part)
    if full is None:
        return None
    codes = np.where(part.values == 0, full.zero_codes(part.shape), part.codes).astype(np.uint8)
    return (full, codes) if np.array_equal(full.decode(codes), part.values) else None


def _decoding(
    onnx: Any, graph: Any, name: str, dims: tuple[int, ...], levels: Affine, codes: NDArray[np.uint8]
) -> list[Any]:
    """Nodes that make the tensor `name`, of shape `dims`, of its codes; their initialisers are added to the graph.

    One scale for the tensor, or for each of its rows, lies along the first axis; one for every run of a row goes with
    the tensor as a matrix, in blocks along its rows.
    """
    blocks = levels.grouping.runs_per_row(dims) > 1
    shape = (dims[0], math.prod(dims[1:])) if blocks else dims
    narrow = levels.bits <= 4
    kind = onnx.TensorProto.UINT4 if narrow else onnx.TensorProto.UINT8
    of_groups = (dims[0], -1) if blocks else (-1,) if levels.scale.size > 1 else ()

    def add(role: str, values: NDArray[Any], data_type: int) -> str:
        full = f"{name}.{role}"
        if data_type == onnx.TensorProto.UINT4:
            made = onnx.helper.make_tensor(full, data_type, values.shape, values.reshape(-1))
        else:
            made = onnx.numpy_helper.from_array(np.ascontiguousarray(values), full)
        graph.initializer.append(made)
        return full

    inputs = [
        add("codes", codes.reshape(shape), kind),
        add("scale", levels.scale.reshape(of_groups), onnx.TensorProto.FLOAT),
        add("zero_point", levels.zero_point.astype(np.uint8).reshape(of_groups), kind),
    ]
    facts = {"axis": 1, "block_size": levels.grouping.size} if blocks else {"axis": 0}
    values = f"{name}.values" if blocks else name
    nodes = [onnx.helper.make_node("DequantizeLinear", inputs, [values], name=f"{name}.dequantize", **facts)]
    if blocks:
        whole = add("shape", np.array(dims, np.int64), onnx.TensorProto.INT64)
        nodes.append(onnx.helper.make_node("Reshape", [values, whole], [name], name=f"{name}.reshape"))
    return nodes
