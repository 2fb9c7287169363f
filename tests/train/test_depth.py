"""Catalogue TT-01: stochastic depth leaves out whole branches, keeps the mean, and takes as much less time."""

import itertools
import math
from time import process_time

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data.split import Split
from workbench.errors import ModelError
from workbench.models import zoo
from workbench.models.residual import Residual, skippable
from workbench.train.depth import skipping, survivals
from workbench.train.loop import Settings, fit


class Adding(Residual):
    """x + branch(x), with the passes over the branch counted."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside, self.passes, self.seconds = inside, 0, 0.0

    def branch(self, x):
        self.passes += 1
        return self.inside(x)

    def forward(self, x):
        return x + self.branch(x)


def chain(blocks: int, width: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(Adding(nn.Linear(width, width)) for _ in range(blocks)))


def test_blocks_survive_as_published():
    """p_l = 1 − l / L (1 − p_L); with p_L = ½ (3 L − 1) / 4 blocks are run on average: 40.25 of the paper's 54."""
    np.testing.assert_allclose(survivals(4, 0.5), [7 / 8, 6 / 8, 5 / 8, 4 / 8])
    assert sum(survivals(54, 0.5)) == pytest.approx(40.25, abs=1e-12)
    for blocks in (1, 3, 10, 54):
        assert sum(survivals(blocks, 0.5)) == pytest.approx((3 * blocks - 1) / 4, abs=1e-12)
    assert survivals(3, 1.0) == (1, 1, 1)


def test_what_is_skipped_is_not_run_and_what_is_kept_is_divided():
    """Every pattern of three blocks, beside the sum that it stands for."""
    module, x, seen = chain(3).train(), torch.randn(3, 5), {}
    plain = [block.inside for block in module]
    end = skipping(module, 0.5, torch.Generator().manual_seed(0))
    for _ in range(150):
        before = [block.passes for block in module]
        given = module(x)
        seen[tuple(block.passes - was for block, was in zip(module, before, strict=True))] = given
    assert set(seen) == set(itertools.product((0, 1), repeat=3))
    for pattern, given in seen.items():
        expected = x
        for kept, survival, inside in zip(pattern, survivals(3, 0.5), plain, strict=True):
            if kept:
                expected = expected + inside(expected) / survival
        torch.testing.assert_close(given, expected)
    mean = sum(
        math.prod(p if kept else 1 - p for kept, p in zip(pattern, survivals(3, 0.5), strict=True)) * given
        for pattern, given in seen.items()
    )
    end()
    whole = module.eval()(x)
    torch.testing.assert_close(mean, whole, msg="linear blocks: the mean over all patterns is the whole network")


def test_the_paper_multiplies_by_the_survival_afterwards():
    """Its rule for testing, H + p f(H), is this one's of a branch f p: then both run the same functions in training."""
    module, x = chain(3), torch.randn(3, 5)
    branches = [block.inside for block in module]
    for inside, survival in zip(branches, survivals(3, 0.4), strict=True):
        inside.weight.data *= survival
        inside.bias.data *= survival
    theirs = x
    for inside, survival in zip(branches, survivals(3, 0.4), strict=True):
        in_training = inside(theirs) / survival
        theirs = theirs + survival * in_training
    torch.testing.assert_close(module.eval()(x), theirs)


def test_answers_are_those_of_all_blocks_and_gradients_of_the_ones_that_were_run():
    module, x = chain(6).train(), torch.randn(3, 5)
    whole = module(x)
    end = skipping(module, 0.1, torch.Generator().manual_seed(1))
    for block in module:
        block.passes = 0
    module(x).sum().backward()
    assert 0 < sum(block.passes for block in module) < 6
    assert all((block.inside.weight.grad is not None) == bool(block.passes) for block in module)
    assert torch.equal(module.eval()(x), whole)
    end()
    assert torch.equal(module.train()(x), whole)


def test_blocks_of_the_shelf_are_found_and_others_named():
    assert len(skippable(zoo.build("resnet-8", 0))) == 3
    assert len(skippable(zoo.build("mobilenet-v2", 0))) == 3  # of seven: the others change the shape
    with pytest.raises(ModelError, match="has none that says so"):
        skipping(zoo.build("lenet-5", 0), 0.5, torch.Generator())


def test_the_loop_skips_and_leaves_no_trace():
    module = nn.Sequential(nn.Flatten(), chain(4, 16), nn.Linear(16, 3))
    random = np.random.default_rng(0)
    split = Split("train", random.standard_normal((64, 16)).astype(np.float32), np.arange(64) % 3)
    list(fit(module, split, split, Settings(epochs=10, batch=8, learning_rate=0.01, depth=0.5)))
    passes = [block.passes - 10 for block in module[1]]  # one batch of each epoch is of validation images
    assert passes[0] > passes[-1]
    assert sum(passes) / 80 == pytest.approx((3 * 4 - 1) / 4, abs=4 * (4 / 6 / 80) ** 0.5)
    assert not any("branch" in vars(block) for block in module[1]) and not module.training


@pytest.mark.slow
def test_the_blocks_take_as_much_less_time_as_they_are_fewer(record_property):
    """(3 L − 1) / 4 L of the time, within 10 %: processor time of both passes of 12 blocks, four repetitions."""
    torch.manual_seed(0)
    module = nn.Sequential(
        *(Adding(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)))
          for _ in range(12))
    ).train()  # fmt: skip
    x = torch.randn(32, 16, 14, 14)

    def taken(batches: int) -> float:
        begun = process_time()
        for _ in range(batches):
            module(x).sum().backward()
        return process_time() - begun

    taken(5)
    whole, skipped = 0.0, 0.0
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        whole += taken(40)
        end = skipping(module, 0.5, generator)
        skipped += taken(40)
        end()
    share = (3 * 12 - 1) / (4 * 12)
    record_property("TT-01, time of the blocks", f"{skipped / whole:.3f}")
    record_property("by their number", f"{share:.3f}")
    assert skipped / whole == pytest.approx(share, rel=0.1)
