"""The bits that are shown are those of the file, and a second reader finds the weights in them."""

import naive
import numpy as np
import pytest

import workbench
from workbench.insight.bits import BYTES, WORDS, stored
from workbench.methods.coding.entropy import EntropyCoding
from workbench.methods.quantize.kmeans import KMeans
from workbench.methods.quantize.product import ProductQuantisation
from workbench.recipe import Recipe, Step

RECIPES = {
    "nothing": Recipe(),
    "zeros": Recipe.sliders(sparsity=0.5),
    "zeros and bits": Recipe.sliders(sparsity=0.9, bits=4),
    "one bit": Recipe.sliders(bits=1),
    "factors": Recipe.sliders(rank=0.2, bits=3),
    "k-means": Recipe((Step(KMeans(bits=3)),)),
}


@pytest.fixture(scope="module", params=RECIPES)
def compressed(lenet, request):
    return workbench.compress(lenet, RECIPES[request.param])


def test_every_run_of_bytes_is_where_it_says_in_the_file(compressed, tmp_path):
    content = compressed.save(tmp_path / "network.cwb").read_bytes()
    for layer in compressed.model.layers:
        for factor in range(len(compressed.forms[layer.name].factors)):
            for run in stored(compressed, layer.name, factor).runs:
                assert content[run.start : run.start + min(run.nbytes, BYTES)] == run.first.tobytes()


def test_the_words_are_read_from_the_bytes_and_decode_to_the_weights(compressed):
    for name, form in compressed.stored.items():
        for factor, part in enumerate(form.parts):
            found = stored(compressed, name, factor)
            run = next(run for run in found.runs if run.name in ("codes", "values"))
            stream = run.first.tobytes()
            whole = min(8 * len(stream) // found.width, WORDS, found.listed)
            assert not found.coded and len(found.words) == min(WORDS, found.listed) >= whole > 0
            numbers = naive.unpack(stream, found.width, whole)
            values = part.values.reshape(part.shape[0], -1)
            for word, number in zip(found.words[:whole], numbers, strict=True):
                assert int(word.bits[::-1], 2) == number and len(word.bits) == found.width
                assert values[word.place] == np.float32(word.value)
                if word.code is None:
                    assert np.frombuffer(number.to_bytes(4, "little"), "<f4")[0] == np.float32(word.value)
                elif word.step is not None:
                    assert word.code == number
                    assert np.float32(word.step) * np.float32(number - np.float32(word.point)) == np.float32(word.value)


def test_a_coder_stores_other_bits_and_that_is_said(lenet):
    found = stored(workbench.compress(lenet, Recipe((Step(KMeans(bits=3)), Step(EntropyCoding())))), "fc1")
    assert found.coded and found.width == 3 and "+" in found.encoding


def test_where_a_code_stands_for_several_weights_there_are_no_words(lenet):
    found = stored(workbench.compress(lenet, Recipe((Step(ProductQuantisation()),))), "fc1")
    assert found.words == () and found.runs
