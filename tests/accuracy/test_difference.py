"""How two networks differ on the same images, against a count image by image."""

import numpy as np
import pytest

import workbench
from workbench.accuracy.difference import difference
from workbench.accuracy.examiner import Examiner, selected_images
from workbench.compression.compressed import compress
from workbench.recipe import Recipe

IMAGES = 400


@pytest.fixture(scope="module")
def lenet():
    return workbench.load("lenet-300-100/mnist")


def run(model, **sliders):
    compressed = compress(model, Recipe.sliders(**sliders))
    for _ in Examiner(budget=0).accuracies(compressed, IMAGES):
        pass
    return compressed


def test_the_difference_is_what_counting_image_by_image_gives(lenet):
    mild, harsh = run(lenet, bits=4), run(lenet, sparsity=0.95, bits=2)
    found = difference(mild, harsh, IMAGES)
    judged = selected_images(lenet, IMAGES)
    answers = []
    for one in (mild, harsh):
        module = one.to_torch().eval()
        answers.append(module(judged.inputs()).argmax(1).numpy())
    first, second = (given == judged.labels for given in answers)
    assert (found.images, found.differ) == (IMAGES, int((answers[0] != answers[1]).sum()))
    assert found.gained == int((second & ~first).sum()) and found.lost == int((first & ~second).sum())
    assert found.value == pytest.approx(np.mean(second) - np.mean(first))
    assert found.clear and found.high < 0
    back = difference(harsh, mild, IMAGES)
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert (back.gained, back.lost, back.differ) == (found.lost, found.gained, found.differ)


def test_a_network_and_itself_do_not_differ(lenet):
    one = run(lenet, bits=4)
    found = difference(one, one, IMAGES)
    assert (found.value, found.differ, found.clear) == (0, 0, False)


def test_nothing_is_said_of_answers_that_are_not_known(lenet):
    run(lenet, sparsity=0.321, bits=4)  # which no other test asks for
    seen = compress(lenet, Recipe.sliders(sparsity=0.321, bits=4))
    unseen = compress(lenet, Recipe.sliders(sparsity=0.123))
    assert difference(seen, unseen, IMAGES) is None
    assert difference(seen, seen) is None  # not all 10,000 images have been run


def test_without_data_there_is_no_difference():
    from torch import nn, zeros

    own = workbench.Model.from_module(nn.Sequential(nn.Linear(12, 8)), zeros(1, 12), name="own")
    one = compress(own, Recipe())
    assert difference(one, one) is None
