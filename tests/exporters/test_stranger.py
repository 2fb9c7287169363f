"""A reader that knows `docs/format.md` alone finds the same weights in every kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.exporters import stranger
from tests.exporters.forging import every_encoding
from tests.zoo import loaded
from workbench.compression.compressed import CompressedModel, compress
from workbench.method import METHODS
from workbench.recipe import Recipe, Step


def _check(compressed: CompressedModel, path: Path) -> None:
    packed = stranger.read(compressed.save(path).read_bytes())
    assert list(packed.weights) == [layer.name for layer in compressed.model.layers]
    for name, encoding in compressed.encodings.items():
        for found, part in zip(packed.weights[name], encoding.decode().parts, strict=True):
            assert found.tobytes() == part.values.tobytes(), (name, encoding.name)
    assert list(packed.rest) == list(compressed.model.rest)
    assert all(packed.rest[name].tobytes() == tensor.tobytes() for name, tensor in compressed.model.rest.items())
    assert packed.header["recipe"] == compressed.recipe.to_object()
    assert packed.header["network"]["model"] == compressed.model.name


def test_every_encoding(tmp_path: Path) -> None:
    _check(every_encoding(), tmp_path / "net.cwb")


@pytest.mark.parametrize("coder", ["huffman", "range-coder"])
def test_a_network_of_the_zoo_after_deep_compressions_three_stages(coder: str, tmp_path: Path) -> None:
    methods = (
        METHODS["prune.magnitude"](sparsity=0.97),
        METHODS["quantize.kmeans"](bits=3),
        METHODS["coding.entropy"](coder=coder),
    )
    in_context = dict.fromkeys(("fc2", "fc3"), "codebook+context-coder")
    recipe = Recipe(tuple(Step(method) for method in methods), in_context if coder == "range-coder" else {})
    _check(compress(loaded("lenet-300-100/mnist"), recipe), tmp_path / "net.cwb")


def test_range_coded_streams_of_any_kind() -> None:
    """The library's decoder and this one agree on 300 random streams."""
    from tests.weights.test_coders import encoded, random_symbols
    from workbench.weights.coders import CODERS

    coder = CODERS["range-coder"]()
    for seed in range(300):
        symbols, alphabet = random_symbols(seed)
        if symbols.size and alphabet <= 4096:
            arrays = encoded(coder, symbols, alphabet)
            table, codes = arrays["coding-table"].tobytes(), arrays["codes"].tobytes()
            assert stranger.ranges(table, codes, symbols.size, alphabet) == symbols.tolist(), (seed, alphabet)
    assert np.array_equal(symbols, coder.decode(arrays, symbols.size, alphabet)) or not symbols.size


def test_context_coded_streams_of_any_kind() -> None:
    """Streams of no symbol, of one, and all equal among them; of 1 to 16 bits, in rows of any length."""
    from tests.weights.test_coders import random_symbols
    from workbench.weights.coders import CODERS

    coder = CODERS["context-coder"]()
    for seed in range(120):
        symbols, alphabet = random_symbols(seed)
        columns = max(symbols.size // 7, 1)
        codes = coder.encode(symbols, alphabet, columns)[0].data.tobytes()
        width = max((alphabet - 1).bit_length(), 1)
        assert stranger.mixed(codes, symbols.size, columns, width) == symbols.tolist(), (seed, alphabet)
