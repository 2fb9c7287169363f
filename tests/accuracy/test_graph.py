"""A forward pass cut in two gives the scores of the whole, at every cut."""

import copy
import threading

import pytest
import torch
from torch import nn

from tests.one_thread import one_thread  # noqa: F401 (every test here uses it)
from workbench.accuracy.graph import Graph, Slot
from workbench.models import zoo

LAYERS = (nn.Linear, nn.Conv2d)


def _graph(module: nn.Module) -> Graph:
    paths = {path: () for path, one in module.named_modules() if isinstance(one, LAYERS)}
    return Graph(copy.deepcopy(module), paths)


@pytest.mark.parametrize("architecture", ["lenet-300-100", "lenet-5", "resnet-8", "mobilenet-v2", "squeezenet"])
def test_every_cut_gives_the_same_scores_bit_for_bit(architecture: str) -> None:
    module = zoo.build(architecture).eval()
    graph = _graph(module)
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = module(x)
        (whole,) = graph.run((x,), 0)
        assert torch.equal(whole, expected)
        for cut in sorted(set(graph.first_use.values())):
            live = graph.run((x,), 0, cut)
            assert torch.equal(graph.run(live, cut)[0], expected), cut


def test_a_residual_keeps_both_branches_alive() -> None:
    graph = _graph(zoo.build("resnet-8").eval())
    with torch.inference_mode():
        live = graph.run((torch.rand(2, 1, 28, 28),), 0, graph.first_use["stack2.conv2"])
    assert [tuple(one.shape) for one in live] == [(2, 16, 28, 28), (2, 32, 14, 14)]


def test_a_layer_is_first_used_where_its_weight_is() -> None:
    graph = _graph(zoo.build("lenet-5").eval())
    assert sorted(graph.first_use, key=lambda one: graph.first_use[one]) == ["conv1", "conv2", "fc1", "fc2"]


class _InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(4, 4), nn.Linear(4, 3), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.a(x))
        return self.b(x.add_(1))


def test_operations_in_place_are_found() -> None:
    assert _graph(_InPlace()).mutates
    assert not _graph(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 3))).mutates


def test_a_layer_inside_a_module_that_is_called_whole_is_refused() -> None:
    module = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 3)).eval()
    with pytest.raises(ValueError, match=r"^Layer '0\.self_attn\.out_proj' is not called as a module of its own\.$"):
        _graph(module)


def test_networks_run_on_other_threads_while_one_is_taken_apart() -> None:
    """`torch.fx.symbolic_trace` would make them fail: it replaces `nn.Module.__call__` for all."""
    module, other, stop = zoo.build("mobilenet-v2").eval(), zoo.build("lenet-5").eval(), threading.Event()
    failed: list[Exception] = []

    def run() -> None:
        while not stop.is_set():
            try:
                other(torch.zeros(1, 1, 28, 28))
            except Exception as error:
                failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        _graph(module)
    stop.set()
    thread.join()
    assert not failed


def test_the_modules_are_of_their_own_classes_afterwards() -> None:
    module = zoo.build("resnet-8").eval()
    kinds = {path: type(one) for path, one in module.named_modules() if not isinstance(one, LAYERS)}
    paths = {path: () for path, one in module.named_modules() if isinstance(one, LAYERS)}
    graph = Graph(module, paths)
    assert {path: type(module.get_submodule(path)) for path in kinds} == kinds
    assert all(type(module.get_submodule(path)) is Slot for path in paths)
    assert {type(slot.layer) for slot in graph.slots.values()} == set(LAYERS)
