"""The interval on the page, over random recipes."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.coverage import MODELS, coverage, draw, summary


def test_the_study_counts_what_it_says() -> None:
    seen: list[float] = []
    found = coverage(recipes=24, models=(MODELS[0], MODELS[2]), progress=seen.append)
    assert seen[-1] == 1 and len(found) == 24
    assert {one.model for one in found} == {MODELS[0], MODELS[2]}
    shares = summary(found)
    assert shares["covered"] >= 0.75  # fewer of 24 would have a chance of 1e-4
    assert shares["width_ratio"] < 1
    assert all(one.paired.low <= one.paired.value <= one.paired.high for one in found)


def test_recipes_are_drawn_from_all_sliders() -> None:
    random = np.random.default_rng(0)
    steps = [len(draw(random).steps) for _ in range(200)]
    assert set(steps) == {0, 1, 2, 3}


@pytest.mark.slow
def test_the_interval_after_500_images_covers_the_final_accuracy_in_93_to_97_percent(
    record_property: Callable[[str, object], None],
) -> None:
    found = summary(coverage())
    record_property("covered", f"{found['covered']:.1%}")
    assert 0.93 <= found["covered"] <= 0.97, found
    assert found["width_ratio"] < 0.75, found
