"""What the README shows of one's own network and images runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import workbench
from workbench.method import METHODS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_lines_on_ones_own_network_and_images(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = (code for code in re.findall(r"```python\n([\s\S]*?)```", README) if "Dataset.of" in code)
    assert len([line for line in shown.splitlines() if line.strip()]) <= 6
    random = np.random.default_rng(0)
    names = {
        "network": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)),
        "images": random.integers(0, 256, (300, 3, 8, 8), dtype=np.uint8),
        "labels": random.integers(0, 5, 300).tolist(),
        "image_shape": (3, 8, 8),
    }
    exec(shown, names)
    assert "accuracy (%)" in capsys.readouterr().out
    data = names["data"]
    assert isinstance(data, workbench.Dataset) and sum(len(data.split(name)) for name in ("test", "train")) < 300
    report = names["report"]
    assert report.compressed.accuracy.images == len(data.split("test")) < 100
    calibrated = workbench.Recipe((workbench.Step(METHODS["quantize.activations"]()),))
    assert workbench.compress(names["model"], calibrated).forms  # on the images that were put aside for that
