"""N:M and block pruning: the pattern holds, the right weights stay, and their places are smaller and have a kernel."""

import math

import numpy as np
import pytest

from workbench.methods.prune.block import Block
from workbench.methods.prune.n_m import NofM
from workbench.methods.quantize.uniform import Uniform
from workbench.weights.choice import ENCODINGS, cheapest, named, smallest
from workbench.weights.form import Form
from workbench.weights.products import PatternedMatrix

RNG = np.random.default_rng(0)
SHAPES = [(24, 64), (10, 30), (3, 2, 3, 3)]


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("pattern", ["1:4", "2:4", "4:8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_n_of_every_m_stay(shape: tuple[int, ...], pattern: str) -> None:
    before = weights(shape)
    after = NofM(pattern=pattern).apply({"layer": Form.of(before)})["layer"].compose()
    n, m = map(int, pattern.split(":"))
    for old, new in zip(before.reshape(shape[0], -1), after.reshape(shape[0], -1), strict=True):
        for at in range(0, old.size, m):
            largest = sorted(range(at, min(at + m, old.size)), key=lambda place: -abs(old[place]))
            stay = largest[:n] if at + m <= old.size else largest
            assert np.flatnonzero(new[at : at + m]).tolist() == sorted(place - at for place in stay)
            assert (new[stay] == old[stay]).all()


@pytest.mark.parametrize("height", [8, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_whole_blocks_vanish_the_smallest_first(shape: tuple[int, ...], height: int) -> None:
    before = weights(shape)
    after = Block(sparsity=0.6, height=str(height)).apply({"layer": Form.of(before)})["layer"].compose()
    old, new = before.reshape(shape[0], -1), after.reshape(shape[0], -1)
    means, alive = [], []
    for top in range(0, shape[0], height):
        for column in range(old.shape[1]):
            means.append(np.square(old[top : top + height, column]).mean())
            kept = new[top : top + height, column]
            assert (kept == 0).all() or (kept == old[top : top + height, column]).all()
            alive.append(kept.any())
    assert len(alive) - sum(alive) == round(0.6 * len(alive))
    assert max(np.array(means)[~np.array(alive)]) <= min(np.array(means)[alive])


def test_the_places_are_smaller_than_a_bitmap_by_what_the_pattern_says() -> None:
    form = NofM(pattern="2:4").apply({"layer": Form.of(weights((64, 256)))})["layer"]
    name, plan = cheapest(form)
    assert name == "n-m"
    assert plan.by_part()["indices"] == 64 * 64 * 3 // 8  # 4!/(2!2!) = 6 choices, 3 bits
    assert ENCODINGS["bitmap"].plan(form).by_part()["indices"] == 64 * 256 // 8
    form = Block(sparsity=0.75).apply({"layer": Form.of(weights((64, 256)))})["layer"]
    name, plan = cheapest(form)
    assert name == "block"
    assert plan.by_part()["indices"] == 8 * 256 // 8


@pytest.mark.parametrize("bits", [None, 1, 4])
@pytest.mark.parametrize("method", [NofM(pattern="1:4"), NofM(pattern="4:8"), Block(sparsity=0.7, height="16")])
@pytest.mark.parametrize("shape", [(40, 100), (17, 3, 3, 3)])
def test_sizes_are_exact_and_weights_come_back(method: NofM | Block, bits: int | None, shape: tuple[int, ...]) -> None:
    form = method.apply({"layer": Form.of(weights(shape))})["layer"]
    if bits is not None:
        form = Uniform(bits=bits).apply({"layer": form})["layer"]
    expected = "block" if isinstance(method, Block) else "n-m"
    plan = ENCODINGS[expected].plan(form)
    assert plan is not None
    encoding = named(expected, form)
    assert plan.fields == encoding.fields()
    assert plan.arrays == tuple((array.name, array.part, array.data.size) for array in encoding.arrays())
    restored = ENCODINGS[expected].restore(encoding.fields(), {array.name: array.data for array in encoding.arrays()})
    assert restored.decode().parts[0].values.tobytes() == form.parts[0].values.tobytes()


@pytest.mark.parametrize("method", [NofM(pattern="2:4"), NofM(pattern="1:4"), Block(sparsity=0.7)])
@pytest.mark.parametrize("shape", [(64, 256), (30, 125)])
def test_their_kernel_gives_the_dense_product(method: NofM | Block, shape: tuple[int, int]) -> None:
    form = method.apply({"layer": Form.of(weights(shape))})["layer"]
    (kernel,) = smallest(form).kernels((None,))
    assert isinstance(kernel, PatternedMatrix)
    dense = form.compose().astype(np.float64)
    for batch in (1, 9):
        x, bias = weights((batch, shape[1])), weights((shape[0],))
        np.testing.assert_allclose(kernel.multiply(x, bias), x @ dense.T + bias, atol=1e-4 * math.sqrt(shape[1]))
