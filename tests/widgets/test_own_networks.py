"""A user's own network on the page: with images of its own, with another task, with few of them, with none."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import workbench
from tests.widgets.plotted import Plotted
from tests.widgets.test_dashboard import Page, slide
from widgets import Dashboard
from widgets.draw.panel import Panel
from widgets.views.numbers import NBSP

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(600, 8)).astype(np.float32)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


with torch.no_grad():
    OUTPUTS = network()(torch.from_numpy(IMAGES)).numpy()
NOISY = OUTPUTS + RANDOM.normal(scale=0.1, size=OUTPUTS.shape).astype(np.float32)
DATA = {
    "its own images": workbench.Dataset.of((IMAGES, NOISY.argmax(1))),
    "yes or no of several": workbench.Dataset.of((IMAGES, NOISY > 0), task="multi-label"),
    "numbers": workbench.Dataset.of((IMAGES, NOISY), task="regression"),
    "numbers, and few": workbench.Dataset.of((IMAGES[:20], NOISY[:20]), task="regression"),
    "no images": None,
}
SCORES = {
    "its own images": ("Accuracy", []),
    "yes or no of several": ("Exact match", ["label accuracy"]),
    "numbers": ("Variance explained", ["mean absolute error"]),
    "numbers, and few": ("Variance explained", ["mean absolute error"]),
    "no images": ("Accuracy", None),
}


@pytest.mark.parametrize("kind", DATA)
def test_the_page_follows_an_own_network_and_says_what_it_is_judged_by(kind: str, monkeypatch) -> None:
    model = workbench.Model.from_module(network(), torch.zeros(1, 8), DATA[kind], name="mine")
    session = workbench.Session(model)
    plotted = Plotted()
    monkeypatch.setattr(Panel, "send", lambda panel, content, buffers: plotted.send(content))
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        assert page.settled()["error"] == ""
        page.move(slide(sparsity=50, bits=2, rank=60))
        state = page.settled()
        assert (state["stage"], state["fresh"], state["error"]) == ("exact", True, "")
        assert page.panel.catalogue["models"][0]["name"] == "mine"
        json.dumps(state, allow_nan=False)  # a page knows no infinity
        tile, (score, beside) = page.tile("accuracy"), SCORES[kind]
        assert tile["label"] == score
        if beside is None:
            assert tile["value"] is None and "No test images" in tile["note"]
            return
        accuracy = workbench.assess(session.compressed).compressed.accuracy
        assert tile["value"].replace("\u2212", "-") == f"{100 * accuracy.value:.2f}{NBSP}%"
        interval, images, *others = [one for one in tile["details"] if "original" not in one and "guessing" not in one]
        assert images == f"on {len(DATA[kind].split('test'))} test images"
        assert ("too few images" in interval) == (kind == "numbers, and few")
        assert len(others) == len(beside)
        assert all(text.startswith(title) for text, title in zip(others, beside, strict=True))
        assert bool(tile["bar"]) == (score != "Variance explained")  # which are no right and wrong answers
        plotted.until(lambda: len(plotted.rows) == 2)
        assert plotted.told["score"] == score
    finally:
        dashboard.close()
        session.close()


def test_a_score_that_falls_without_end_is_written_short() -> None:
    module = network()
    data = workbench.Dataset.of((IMAGES, NOISY * 1e-15), task="regression")
    session = workbench.Session(workbench.Model.from_module(module, torch.zeros(1, 8), data, name="mine"))
    dashboard = Dashboard(session)
    try:
        page = Page(dashboard)
        page.settled()
        assert len(page.tile("accuracy")["value"]) < 15
        assert len(session.report.table().splitlines()[3]) < 160
    finally:
        dashboard.close()
        session.close()
