"""Shapes told without values are those that torch gives on values."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from workbench.models import zoo
from workbench.network.outlines import OUTLINES
from workbench.network.trace import trace


class Compared(TorchDispatchMode):
    """Runs every operator, and compares what is told of it without values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in OUTLINES:
            self.seen.add(func)
            blank = torch.utils._pytree.tree_map_only(torch.Tensor, lambda x: x.to("meta"), (args, kwargs or {}))
            told = OUTLINES[func](*blank[0], **blank[1])
            pairs = zip(*(side if isinstance(side, tuple) else (side,) for side in (told, result)), strict=True)
            assert all((one.shape, one.dtype) == (other.shape, other.dtype) for one, other in pairs), func
        return result


def test_every_rule_gives_torchs_shapes():
    torch.manual_seed(0)
    more = nn.Sequential(
        nn.Conv2d(1, 6, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(2, 1)), nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d((2, 1)), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(36, 5, bias=False),
    )  # fmt: skip
    with torch.no_grad(), Compared() as compared:
        for module in (more, *(zoo.build(name) for name in ("lenet-5", "resnet-8", "mobilenet-v2", "squeezenet"))):
            module.eval()(torch.rand(1, 1, 28, 28))
        torch.rand(3, 1) + torch.rand(1, 4)
        torch.rand(2, 3, 4).mean((0, -1))
    on_values = {torch.ops.aten._native_batch_norm_legit_no_training.default}  # which is another operator there
    assert set(OUTLINES) - compared.seen == on_values


@pytest.mark.parametrize("name", ["lenet-5", "resnet-8", "mobilenet-v2", "squeezenet"])
def test_a_network_is_traced_alike_with_weights_and_without(name):
    shape = zoo.facts(name)["input_shape"]
    found = []
    for module, device in ((zoo.build(name), "cpu"), (zoo.blank(name), "meta")):
        paths = {id(part): path for path, part in module.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))}
        found.append(trace(module, paths, torch.zeros(1, *shape, device=device)))
    known, blank = found
    assert blank.calls == known.calls
    assert (blank.macs, blank.uncounted) == (known.macs, known.uncounted)
    assert blank.activity.peak() == known.activity.peak()
