"""ONNX files, run by another runtime: the answers of torch, from the codes."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from tests.networks import KINDS, RECIPES, input_of
from tests.zoo import loaded
from workbench.cli import main
from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import FormatError
from workbench.exporters.onnx import encode
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.activations import Activations
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe, Step

# What torch's exporter has no ONNX for, and a convolution that this runtime does not run.
UNWRITTEN = {"shuffled", "LSTM, two layers, both ways, projected", "bilinear"}
UNREAD = {"dilated"}


def recipe(*methods) -> Recipe:
    return Recipe(tuple(Step(method) for method in methods))


def answers(content: bytes, x: torch.Tensor) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # which rounds inputs itself
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x.numpy()})[0]


def graph(content: bytes):
    return onnx.load_from_string(content).graph


def check(compressed: CompressedModel, x: torch.Tensor) -> bytes:
    content = encode(compressed)
    with torch.no_grad():
        expected = compressed.to_torch()(x).numpy()
    np.testing.assert_allclose(answers(content, x), expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))
    return content


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - UNWRITTEN - UNREAD))
def test_public_networks_answer_as_in_torch(kind):
    torch.manual_seed(0)
    model = Model.from_module(KINDS[kind].make().eval(), input_of(kind, 1))
    check(compress(model, recipe(*RECIPES["4 bits, asymmetric"])), input_of(kind, 3))


@pytest.mark.parametrize("kind", sorted(UNWRITTEN))
def test_what_onnx_cannot_say_is_a_sentence(kind, capfd):
    torch.manual_seed(0)
    model = Model.from_module(KINDS[kind].make().eval(), input_of(kind, 1))
    with pytest.raises(FormatError, match="cannot be written as ONNX"):
        encode(State.of(model))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", ["lenet-5/mnist", "resnet-8/fashion-mnist"])
@pytest.mark.parametrize(
    "methods",
    [
        (),
        (Magnitude(sparsity=0.9), Uniform(bits=4, symmetric="no")),
        (Magnitude(sparsity=0.5), Uniform(bits=8, per="group")),
        (Uniform(bits=1),),
        (SVD(rank=0.5), KMeans(bits=3)),
        (SVD(rank=0.25), Magnitude(sparsity=0.5), Uniform(bits=6)),
    ],
    ids=lambda methods: "-".join(type(one).__name__ for one in methods) or "plain",
)
def test_networks_of_the_shelf_answer_as_in_torch(name, methods):
    model = loaded(name)
    check(compress(model, recipe(*methods)), model.noise(3))


def test_weights_are_their_codes_with_every_zero():
    model = loaded("lenet-5/mnist")
    compressed = compress(model, recipe(Magnitude(sparsity=0.8), Uniform(bits=3, per="channel")))
    content = graph(encode(compressed))
    tensors = {one.name: one for one in content.initializer}
    made = {node.output[0]: node for node in content.node if node.op_type == "DequantizeLinear"}
    assert made.keys() == {layer.parameter for layer in model.layers}
    for layer in model.layers:
        codes, scale, point = (tensors[name] for name in made[layer.parameter].input)
        assert codes.data_type == point.data_type == onnx.TensorProto.UINT4
        whole = onnx.numpy_helper.to_array(codes).astype(np.float32).reshape(layer.shape[0], -1)
        steps, zeros = (onnx.numpy_helper.to_array(one).astype(np.float32)[:, None] for one in (scale, point))
        np.testing.assert_array_equal(
            (steps * (whole - zeros)).reshape(layer.shape), compressed.forms[layer.name].compose()
        )


def test_each_factor_is_a_convolution_or_product():
    model = loaded("lenet-5/mnist")
    compressed = compress(model, recipe(SVD(rank=0.5)))
    kinds = [node.op_type for node in graph(encode(compressed)).node]
    factors = sum(len(form.parts) for form in compressed.forms.values())
    found = [kinds.count(kind) for kind in ("Conv", "Gemm", "MatMul")]  # the first factor of a matrix has no bias
    assert found == [4, 2, 1] and sum(found) == factors


def test_rounded_inputs_are_rounded():
    model = loaded("lenet-300-100/mnist")
    compressed = compress(model, recipe(Activations(bits=4, ends="included")))
    x = model.data.split("test").inputs(slice(32))
    content = encode(compressed)
    kinds = [node.op_type for node in graph(content).node]
    assert kinds.count("QuantizeLinear") == len(model.layers)
    with torch.no_grad():
        expected = compressed.to_torch()(x).numpy()
    found = answers(content, x)
    alike = np.isclose(found, expected, atol=1e-4).all(1)  # but where an input lies half-way between two levels
    assert alike.mean() > 0.9 and (found.argmax(1) == expected.argmax(1)).mean() > 0.98


def test_a_network_without_weights_has_no_file():
    with pytest.raises(FormatError, match="no weights"):
        encode(State.of(loaded("vgg-16")))


def test_the_command_line_writes_it(tmp_path):
    path = tmp_path / "lenet.onnx"
    done = CliRunner().invoke(
        main, ["export", "lenet-300-100/mnist", "--bits", "4", "--format", "onnx", "--to", str(path)]
    )
    assert done.exit_code == 0, done.output
    onnx.checker.check_model(onnx.load(path))
