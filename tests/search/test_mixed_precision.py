"""Bits for each layer: exact beside every possible choice, within the budget, and better than one width for all."""

import itertools

import numpy as np
import pytest
from zoo import loaded

from workbench import Recipe, compress
from workbench.errors import RecipeError, Stopped
from workbench.search.mixed_precision import Width, fill, measured, mixed_precision
from workbench.train.loop import accuracy

RNG = np.random.default_rng(0)


def drawn(layers: int, widths: int, alike: bool) -> dict[str, list[Width]]:
    """Random sizes and harms, which need not fall where sizes grow; alike: with many ties."""

    def width(bits: int) -> Width:
        if alike:
            return Width(bits, int(RNG.integers(1, 6)), float(RNG.integers(0, 4)))
        return Width(bits, int(RNG.integers(1, 2000)), float(RNG.exponential()))

    return {f"{layer}": [width(bits) for bits in range(2, 2 + widths)] for layer in range(layers)}


@pytest.mark.parametrize("number", range(40))
def test_no_choice_of_all_is_better(number):
    choices = drawn(int(RNG.integers(1, 6)), int(RNG.integers(1, 6)), number % 2 == 0)
    every = [
        (sum(one.size for one in some), sum(one.harm for one in some)) for some in itertools.product(*choices.values())
    ]
    sizes = sorted(size for size, _ in every)
    for budget in {sizes[0], sizes[len(sizes) // 3], sizes[len(sizes) // 2], sizes[-1]}:
        found = fill(choices, budget)
        assert list(found) == list(choices) and all(one in choices[name] for name, one in found.items())
        assert sum(one.size for one in found.values()) <= budget
        best = min(harm for size, harm in every if size <= budget)
        assert sum(one.harm for one in found.values()) == pytest.approx(best, abs=1e-9)
    with pytest.raises(RecipeError, match="at least"):
        fill(choices, sizes[0] - 1)


def test_thirty_layers_of_seven_widths_take_a_moment():
    """7^30 choices; harms fall by about four for each bit, as those of layers do."""
    choices = {
        f"{layer}": [Width(bits, bits * size, harm * 4.0**-bits * RNG.uniform(0.8, 1.2)) for bits in range(2, 9)]
        for layer, (size, harm) in enumerate(zip(RNG.integers(10, 10**5, 30), RNG.exponential(size=30), strict=True))
    }
    budget = sum(one[2].size for one in choices.values())  # four bits each, on average
    found = fill(choices, budget)
    assert sum(one.size for one in found.values()) <= budget
    assert sum(one.harm for one in found.values()) < sum(one[2].harm for one in choices.values())


def test_the_recipe_keeps_the_budget_of_the_whole_file_and_a_cancelled_one_ends(tmp_path):
    model = loaded("lenet-300-100/mnist")
    budget = int(compress(model, Recipe.sliders(bits=3)).size.value)
    shares = []
    choices = measured(model, widths=(2, 3, 5), images=200, progress=shares.append)
    found = mixed_precision(model, budget, choices)
    compressed = compress(model, found.recipe)
    assert compressed.save(tmp_path / "net.cwb").stat().st_size == found.size <= budget
    assert {name: form.parts[0].levels.bits for name, form in compressed.forms.items()} == {
        name: width.bits for name, width in found.widths.items()
    }
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(Stopped):
        measured(model, images=200, cancelled=lambda: True)
    with pytest.raises(RecipeError, match="at least"):
        mixed_precision(model, 10_000, choices)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet-300-100/mnist", "lenet-5/mnist", "resnet-8/fashion-mnist"])
def test_bits_of_their_own_beside_one_width_for_all(name, record_property):
    """Catalogue GU-07, at no more bytes of the whole file; chosen on validation images, said of all test images."""
    model = loaded(name)
    test, choices = model.data.split("test"), measured(model, images=500)
    for bits in (2, 3, 4):
        alike = compress(model, Recipe.sliders(bits=bits))
        found = mixed_precision(model, int(alike.size.value) + 200, choices)  # for a longer recipe in the header
        mixed = compress(model, found.recipe)
        both = accuracy(alike.to_torch(), test), accuracy(mixed.to_torch(), test)
        widths = " ".join(str(width.bits) for width in found.widths.values())
        record_property(f"GU-07, {bits} bits", f"alike {both[0]:.2%}, mixed {both[1]:.2%} ({widths})")
        assert found.size <= alike.size.value + 200 and both[1] > both[0] - 0.01
