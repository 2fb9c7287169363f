"""Catalogue TT-02, HA-04: what is left after dropout is scaled so that the mean stays."""

import itertools

import pytest
import torch
from torch import nn

from workbench.train.dropout import dropped, dropping, kept


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
def test_the_mean_over_all_masks_is_what_was_there(share):
    """Each of the 2^4 masks weighs (1 − p)^kept · p^zeroed; numbers that are left are those divided by 1 − p."""
    output, mean, weight = torch.tensor([3.0, -1.0, 0.5, 8.0], dtype=torch.float64), torch.zeros(4), 0.0
    seen = {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(3000):
        found = dropped(output, share, generator)
        seen[tuple((found != 0).tolist())] = found
    for mask in itertools.product((False, True), repeat=4):
        kept = torch.tensor(mask)
        torch.testing.assert_close(seen[mask], torch.where(kept, output / (1 - share), 0.0))
        likely = (1 - share) ** sum(mask) * share ** (4 - sum(mask))
        mean, weight = mean + likely * seen[mask], weight + likely
    torch.testing.assert_close(mean, output)
    assert weight == pytest.approx(1)


def test_as_many_are_zeroed_as_the_share_says():
    found = dropped(torch.ones(1000, 1000), 0.3, torch.Generator().manual_seed(0))
    assert float((found == 0).float().mean()) == pytest.approx(0.3, abs=4 * (0.21 / 1e6) ** 0.5)
    assert float(found.mean()) == pytest.approx(1.0, abs=4 * (0.3 / 0.7 / 1e6) ** 0.5)


def test_layers_drop_while_training_and_until_the_handles_go():
    module, x = nn.Sequential(nn.Linear(4, 50), nn.Linear(50, 3)), torch.ones(2, 4)
    handles = dropping(module, {"0": 0.5}, torch.Generator().manual_seed(0))
    plain = module[0].weight.sum(1) + module[0].bias
    given = module.train()[0](x)
    assert 0 < int((given == 0).sum()) < 100
    torch.testing.assert_close(given[given != 0], (2 * plain).expand(2, 50)[given != 0])
    torch.testing.assert_close(module.eval()[0](x), plain.expand(2, 50))
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(module.train()[0](x), plain.expand(2, 50))


def test_excited_units_are_kept_more_often_and_by_chance_alone_at_a_slope_of_0():
    z = torch.linspace(-4, 4, 81)
    likely = kept(z, 0.3, 1.5)
    assert (likely.diff() > 0).all() and float(likely[40]) == pytest.approx(0.7)
    torch.testing.assert_close(likely, torch.sigmoid(1.5 * z + torch.tensor(0.7 / 0.3).log()))
    torch.testing.assert_close(kept(z, 0.3, 1e-9), kept(z, 0.3, 0.0))
    plain, none = (dropped(z, 0.3, torch.Generator().manual_seed(1), slope) for slope in (0.0, 1e-9))
    torch.testing.assert_close(none, plain)


def test_the_mean_over_adaptive_masks_is_what_was_there():
    """E = π · z/π in each unit, with the variance z² (1 − π) / π of a draw; its gradient is 1 on average, too."""
    z = torch.tensor([-1.0, 0.5, 2.0]).repeat(200_000, 1).requires_grad_(True)
    found = dropped(z, 0.5, torch.Generator().manual_seed(0), 1.0)
    likely = torch.sigmoid(z[0].detach())
    for unit in range(3):
        error = 4 * float((z[0, unit].detach() ** 2 * (1 - likely[unit]) / likely[unit] / len(z)).sqrt())
        assert abs(float(found[:, unit].detach().mean()) - float(z[0, unit].detach())) <= error
        assert float((found[:, unit] != 0).float().mean()) == pytest.approx(float(likely[unit]), abs=0.005)
    found.sum().backward()
    torch.testing.assert_close(z.grad.mean(0), torch.ones(3), atol=0.02, rtol=0)
