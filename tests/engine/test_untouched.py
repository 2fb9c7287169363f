"""What a recipe leaves as it came is said: layers, and the tensors that no layer holds."""

import json

import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress, read
from workbench.engine.assessment import assess
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.report.report import Report


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.norm = nn.GRU(8, 6, batch_first=True), nn.LayerNorm(6)
        self.pair, self.head = nn.Bilinear(6, 6, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = self.norm(self.cell(x)[0][:, -1])
        return self.head(self.pair(last, last))


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model.from_module(Recurrent(), torch.zeros(1, 5, 8), name="recurrent")


def report(model: Model, *steps: Step) -> Report:
    return assess(compress(model, Recipe(steps)))


def test_every_tensor_that_no_layer_holds_is_listed_with_its_share(model: Model) -> None:
    found = report(model, Step(Uniform(bits=4)))
    state = model.module.state_dict()
    layers = {"cell.weight_ih_l0", "cell.weight_hh_l0", "head.weight"}
    assert {row.name: row.bytes for row in found.beside} == {
        name: tensor.nbytes for name, tensor in state.items() if name not in layers
    }
    size = found.compressed.size
    split = sum(size.split[part] for part in ("biases", "batch_norm", "other"))
    assert sum(row.share for row in found.beside) == pytest.approx(split / size.value, rel=1e-12)
    assert json.loads(json.dumps(found.to_dict()))["beside"][0] == {
        "name": "cell.bias_ih_l0", "shape": [18], "bytes": 72, "share": 72 / size.value
    }  # fmt: skip
    lines = [" ".join(line.split()) for line in found.table().splitlines()]
    assert f"pair weight 4x6x6, bias 4 592 {100 * 592 / size.value:.1f}" in lines


def test_layers_that_no_step_changed_are_named_with_their_share(model: Model) -> None:
    named = Step(SVD(rank=0.5), layers=("head",))
    weights = {layer.name: layer.size for layer in model.layers}
    share = (weights["cell.weight_ih_l0"] + weights["cell.weight_hh_l0"]) / sum(weights.values())
    sentence = (
        f"2 of 3 layers, {100 * share:.1f} % of the weights, are untouched: cell.weight_ih_l0, cell.weight_hh_l0."
    )
    assert sentence in report(model, named).notes
    everywhere = report(model, Step(Uniform(bits=4)))
    assert not any("untouched" in note for note in everywhere.notes)


def test_a_recipe_that_changes_nothing_warns(model: Model) -> None:
    nothing = "Nothing was compressed: no step of the recipe changed any layer."
    found = report(model, Step(SVD(rank=0.5)))  # no layer of this network can be factored but by name
    assert found.notes[0] == nothing
    assert all("left it alone" in row.note for row in found.layers)
    assert nothing not in report(model).notes  # nobody asked for anything
    assert nothing in report(model, Step(Magnitude(sparsity=0.0))).notes


def test_of_a_file_nobody_knows_what_was_touched(model: Model, tmp_path) -> None:
    path = compress(model, Recipe((Step(SVD(rank=0.5), layers=("head",)),))).save(tmp_path / "a.cwb")
    assert not any("untouched" in note for note in assess(read(path, Recurrent())).notes)
