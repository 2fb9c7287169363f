"""Networks of many public kinds, built from torch alone: whatever a recipe does, every figure is about that network.

For each: the counts are those of its closed form, the file has the size that was shown, what is read is what was
written, and the simulated and the packed network answer as the module itself does with the decoded weights.
"""

import copy
from pathlib import Path

import pytest
import torch

from tests.networks import KINDS, RECIPES, input_of
from tests.networks_page import PAGE, model_of, row
from workbench.compression.compressed import compress, read
from workbench.network.layer import Layer
from workbench.recipe import Recipe, Step
from workbench.weights.arrays import Floats


def as_torch_has_it(layer: Layer, weight: Floats, module: torch.nn.Module) -> torch.Tensor:
    """[out, in / groups, ...] as torch keeps it."""
    tensor, own = torch.tensor(weight), module.get_parameter(layer.parameter)
    if layer.kind.startswith("conv_transpose"):  # [in, out / groups, ...], group by group
        inputs = tensor.shape[1]
        groups = torch.split(tensor, tensor.shape[0] // (own.shape[0] // inputs))
        return torch.cat([group.transpose(0, 1) for group in groups]).reshape(own.shape)
    if layer.kind == "linear" and tensor.shape != own.shape:  # [in, out]
        return tensor.T
    return tensor.reshape(own.shape)  # of one axis in 1-D convolutions


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_about_that_network(kind: str, tmp_path: Path) -> None:
    model, x = model_of(kind), input_of(kind, 4)
    assert sum(layer.macs for layer in model.layers) + model.other_macs == KINDS[kind].macs
    assert tuple(name for name, tensor in model.rest.items() if tensor.ndim > 1) == KINDS[kind].beside
    assert model.uncounted == KINDS[kind].uncounted
    assert row(kind, model) in PAGE.read_text().splitlines()
    torch.manual_seed(0)
    module = KINDS[kind].make().eval()
    for recipe, methods in RECIPES.items():
        compressed = compress(model, Recipe(tuple(Step(method) for method in methods)))
        own = copy.deepcopy(model.module)
        for layer in model.layers:
            weight = as_torch_has_it(layer, compressed.forms[layer.name].compose(), own)
            own.get_parameter(layer.parameter).copy_(weight)
        path = compressed.save(tmp_path / "own.cwb")
        again = read(path, module)
        with torch.no_grad():
            expected = own(x)
            bound = 1e-4 * float(expected.abs().max()) + 1e-6
            for network in (compressed.to_torch(), compressed.packed(), again.to_torch(), again.packed()):
                torch.testing.assert_close(network(x), expected, rtol=0, atol=bound)
            if not methods:
                torch.testing.assert_close(module.float()(x), expected, rtol=1e-3, atol=bound)
        assert path.stat().st_size == compressed.size.value == again.size.value, recipe
        assert [layer.calls for layer in again.model.layers] == [layer.calls for layer in model.layers], recipe
