"""The third stage of Deep Compression: only the file gets smaller, and a second reader finds the same weights in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import naive
from tests.exporters import forging
from tests.exporters.forging import taken_apart
from workbench.compression.compressed import compress, read
from workbench.method import METHODS
from workbench.methods.coding.entropy import EntropyCoding
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.network.model import Model, load
from workbench.recipe import Recipe, Step


@pytest.fixture(scope="module")
def model() -> Model:
    return load("lenet-300-100/mnist")


def recipe(*coding: EntropyCoding, encodings: dict[str, str] | None = None) -> Recipe:
    steps = (Magnitude(sparsity=0.92), KMeans(bits=5), *coding)
    return Recipe(tuple(Step(method) for method in steps), encodings or {})


def test_bytes_go_by_the_published_share_and_no_weight_changes(model: Model, tmp_path: Path) -> None:
    """CO-01: the last stage of Deep Compression takes 17 to 38 % of the bytes in its table II."""
    plain = compress(model, recipe())
    sizes = {}
    for coder in EntropyCoding.settings()["coder"].choices:
        coded = compress(model, recipe(EntropyCoding(coder=coder)))
        path = coded.save(tmp_path / f"{coder}.cwb")
        sizes[coder] = coded.size.value
        assert path.stat().st_size == sizes[coder]
        back = read(path)
        for name, form in plain.forms.items():
            assert np.array_equal(back.forms[name].compose(), form.compose())
            assert np.array_equal(coded.forms[name].compose(), form.compose())
        assert back.save(tmp_path / "again.cwb").read_bytes() == path.read_bytes()
    gain = 1 - sizes["huffman"] / plain.size.value
    assert 0.17 <= gain <= 0.38
    assert sizes["smallest"] <= min(sizes.values())


@pytest.mark.parametrize("layer", ["fc1", "fc2"])
def test_a_second_reader_finds_the_weights(layer: str, model: Model, tmp_path: Path) -> None:
    """Bit by bit, from the file: canonical Huffman words to gaps and codes, these to positions and values."""
    compressed = compress(model, recipe(encodings=dict.fromkeys(("fc1", "fc2"), "relative-index+huffman")))
    header, arrays = taken_apart(compressed.save(tmp_path / "net.cwb").read_bytes())
    outlines = dict(zip(forging.names(header), header["layers"], strict=True))
    names = [(owner, name) for owner, entry in outlines.items() for name in entry["arrays"]]
    held = {name: array for (owner, name), array in zip(names, arrays, strict=False) if owner == layer}
    fields = outlines[layer]["fields"]

    def symbols(stream: str, width: int) -> list[int]:
        table, codes = held[f"{stream}.coding-table"], held[f"{stream}.codes"]
        return naive.from_huffman(table, codes, fields["entries"], 2**width)

    table = np.frombuffer(held["codebook"], "<f4")
    values = table[symbols("codes", int(table.size - 1).bit_length())].tolist()
    written = list(zip(symbols("gaps", fields["gap_bits"]), values, strict=True))
    weights = naive.from_relative_index(written, compressed.forms[layer].weights)
    assert weights == compressed.forms[layer].compose().reshape(-1).tolist()


def test_in_any_order_and_with_chains(model: Model, tmp_path: Path) -> None:
    """The choice of coder stays with a layer whatever later steps make of its weights."""
    last = compress(model, recipe(EntropyCoding()))
    first = compress(model, Recipe((Step(EntropyCoding()), *recipe().steps)))
    plans, others = ({name: plan.nbytes for name, (_, plan) in one.plans.items()} for one in (first, last))
    assert plans == others
    steps = (EntropyCoding(), METHODS["factorize.svd"](rank=0.3), KMeans(bits=4))
    chain = compress(model, Recipe(tuple(Step(method) for method in steps)))
    path = chain.save(tmp_path / "net.cwb")
    assert path.stat().st_size == chain.size.value < compress(model, Recipe(chain.recipe.steps[1:])).size.value
    assert {one["encoding"] for one in chain.plans["fc1"][1].fields["factors"]} <= {
        "codebook+context-coder",
        "codebook+huffman",
        "codebook+range-coder",
    }
    for name, form in chain.forms.items():
        assert np.array_equal(read(path).forms[name].compose(), form.compose())
