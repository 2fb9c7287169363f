"""Weights that operators read beside any call of a layer: in parts, in pairs, by rows, by name."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from workbench.compression.compressed import compress, read
from workbench.engine.assessment import assess
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step


class Net(nn.Module):
    """Parts by name, and what is computed with them."""

    def __init__(self, forward: Any, **parts: Any) -> None:
        super().__init__()
        self.passed = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.passed(self, x)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(0)))


def macs(model: Model) -> dict[str, int]:
    return {layer.name: layer.macs for layer in model.layers}


def test_filters_are_pruned_behind_a_recurrent_layer() -> None:
    """Half of the 8 filters go, and nothing of the next layer but the columns that meet them."""
    torch.manual_seed(0)
    net = Net(
        lambda net, x: net.head(torch.relu(net.first(net.cell(x)[0][:, -1]))),
        cell=nn.LSTM(8, 6, batch_first=True), first=nn.Linear(6, 8), head=nn.Linear(8, 3),
    )  # fmt: skip
    found = compress(Model.from_module(net.eval(), torch.rand(1, 5, 8)), Recipe((Step(L1Filter(share=0.5)),)))
    first, head = (found.forms[name].compose() for name in ("first", "head"))
    assert (first != 0).any(1).sum() == 4 and (first != 0).sum() == 4 * 6
    np.testing.assert_array_equal((head != 0).any(0), (first != 0).any(1))
    assert "nobody knows" in next(note.text for note in found.notes if note.layer == "cell.weight_ih_l0")


@pytest.mark.parametrize(
    "net",
    [
        Net(lambda net, x: net.cell(torch.relu(net.first(x)))[0], first=nn.Linear(8, 8), cell=nn.LSTM(8, 6)),
        Net(
            lambda net, x: net.attend(*[net.first(x)] * 3, need_weights=False)[0],
            first=nn.Linear(8, 8), attend=nn.MultiheadAttention(8, 2),
        ),
        Net(lambda net, x: net.head(input=torch.relu(net.first(input=x))), first=nn.Linear(8, 8), head=nn.Linear(8, 3)),
    ],
    ids=["ends in an LSTM", "attention without its weights", "inputs by name"],
)  # fmt: skip
def test_what_cannot_be_followed_is_a_sentence_and_runs(net: nn.Module) -> None:
    model = Model.from_module(net.eval(), torch.rand(1, 5, 8))
    found = compress(model, Recipe((Step(L1Filter(share=0.5)), Step(Uniform(bits=8)))))
    with torch.no_grad():
        x = torch.rand(2, 5, 8)
        torch.testing.assert_close(found.packed()(x), found.to_torch()(x), rtol=1e-4, atol=1e-5)
    assert all(row.note for row in assess(found, latency=True).layers)


def test_parts_that_are_read_apart_are_counted_together() -> None:
    """Cross-attention: queries from 3 rows, keys and values from 6; 2 products of 3 x 6 rows."""
    net = Net(
        lambda net, x: net.attend(x[:, :3], x, x)[0], attend=nn.MultiheadAttention(8, 2, batch_first=True, bias=False)
    )
    model = Model.from_module(net.eval(), torch.rand(1, 6, 8))
    assert macs(model) == {"attend.in_proj_weight": (3 + 6 + 6) * 64, "attend.out_proj": 3 * 64}
    assert model.other_macs == 2 * 3 * 6 * 8
    halves = Net(lambda net, x: functional.linear(functional.linear(x, net.w[:4]), net.w[4:, :4]), w=weight(10, 8))
    layer = Model.from_module(halves, torch.rand(1, 8)).layer("w")
    assert (layer.macs, layer.uneven) == (4 * 8 + 6 * 4, True)


def test_uneven_use_is_said_and_the_average_taken() -> None:
    """Rows of `w` are used 3 times, others 6 times: 64 weights, 4.5 positions on average."""
    net = Net(
        lambda net, x: functional.linear(x[:, :3], net.w[:4]).sum() + functional.linear(x, net.w[4:]), w=weight(8, 8)
    )
    model = Model.from_module(net, torch.rand(1, 6, 8))
    found = compress(model, Recipe((Step(Magnitude(sparsity=0.5)),)))
    assert macs(model) == {"w": 3 * 32 + 6 * 32}
    assert assess(found).compressed.costs["effective_macs"].value == round(4.5 * 32)
    assert any("an average part" in note.text for note in found.notes)
    even = Net(lambda net, x: functional.linear(x, net.w[:4]) + functional.linear(x, net.w[4:]), w=weight(8, 8))
    assert not Model.from_module(even, torch.rand(1, 8)).layer("w").uneven
    spread = Net(lambda net, x: torch.bmm(x, net.w.expand(len(x), 8, 8)) @ net.w, w=weight(8, 8))
    layer = Model.from_module(spread, torch.rand(1, 6, 8)).layer("w")
    assert (layer.macs, layer.uneven) == (2 * 6 * 64, False)


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (Net(lambda net, x: net.cell(x, net.start), cell=nn.GRUCell(8, 4), start=weight(1, 4)), {"cell.weight_ih": 96}),
        (
            Net(lambda net, x: (x @ net.w).sum() + net.ask @ net.w, ask=weight(2, 8), w=weight(8, 3)),
            {"w": 24 + 2 * 24},
        ),
        (Net(lambda net, x: x @ (net.up @ net.down), up=weight(8, 2), down=weight(2, 3)), {}),
        (Net(lambda net, x: x @ net.w.float() + net.head(x), w=nn.Parameter(torch.ones(8, 3, dtype=torch.int64), False),
             head=nn.Linear(8, 3)), {"head": 24}),
    ],
    ids=["a learned first state", "learned queries", "made of two", "whole numbers"],
)  # fmt: skip
def test_products_of_two_parameters(net: nn.Module, expected: dict[str, int]) -> None:
    if not expected:
        with pytest.raises(Exception, match="no weights"):
            Model.from_module(net, torch.rand(1, 8))
        return
    model = Model.from_module(net, torch.rand(1, 8))
    assert {name: macs(model).get(name) for name in expected} == expected


def test_a_row_that_is_looked_up_twice_is_read_once() -> None:
    for table in (nn.Embedding(11, 4), nn.EmbeddingBag(11, 4)):
        model = Model.from_module(nn.Sequential(table), torch.tensor([[3, 3, 5, 3]]))
        assert model.layers[0].share_read == pytest.approx(2 / 11)


def test_what_is_looked_up_with_weights_is_multiplied() -> None:
    class Weighed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(11, 4, mode="sum")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bag(x, per_sample_weights=torch.ones(x.shape))

    assert Model.from_module(Weighed(), torch.tensor([[3, 5]])).uncounted == ("aten._embedding_bag_forward_only",)


def test_networks_that_ask_a_layer_for_its_type_run_packed() -> None:
    net = Net(
        lambda net, x: net.head(torch.relu(net.first(x.to(net.first.weight.dtype)))),
        first=nn.Linear(64, 32), head=nn.Linear(32, 3),
    )  # fmt: skip
    model = Model.from_module(net, torch.rand(1, 64))
    for steps in ((Step(Uniform(bits=4)),), (Step(SVD(rank=0.3), layers=("first",)), Step(Uniform(bits=4)))):
        found = compress(model, Recipe(steps))
        x = torch.rand(2, 64)
        torch.testing.assert_close(found.packed()(x), found.to_torch()(x), rtol=1e-4, atol=1e-5)


def test_two_networks_of_words_that_branch_on_them_are_told_apart() -> None:
    def branching(sign: int) -> Model:
        net = Net(lambda net, x: net.table(x).sum(1) * (sign if int(x[0, 0]) > 5 else 1), table=nn.Embedding(11, 4))
        with torch.no_grad():
            net.table.weight.copy_(torch.arange(44.0).reshape(11, 4))
        return Model.from_module(net, torch.tensor([[1, 9]]))

    assert branching(2).digest == branching(2).digest != branching(-1).digest


@pytest.mark.parametrize(
    "net",
    [
        Net(lambda net, x: net.table(x).flatten(1), table=nn.Embedding(11, 4, device="meta")),
        Net(lambda net, x: net.cell(net.table(x))[0], table=nn.Embedding(11, 8, device="meta"),
            cell=nn.GRU(8, 4, device="meta")),
    ],
)  # fmt: skip
def test_blank_networks_of_words(net: nn.Module, tmp_path) -> None:
    model = Model.from_module(net, torch.tensor([[1, 9, 3]]))
    assert model.blank and assess(compress(model, Recipe((Step(Uniform(bits=4)),)))).compressed.size.value > 0


def test_one_layer_of_its_own_may_take_two_inputs(tmp_path) -> None:
    class Gated(nn.Linear):
        def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * gate

    torch.manual_seed(0)
    module, inputs = Gated(8, 3), (torch.rand(1, 8), torch.rand(1, 3))
    found = compress(Model.from_module(copy.deepcopy(module), inputs), Recipe())
    again = read(found.save(tmp_path / "a.cwb"), module)
    torch.testing.assert_close(again.packed()(*inputs), module(*inputs))
