"""A folder of one's own on the shelf: a method, levels, places, a coder, a metric, a network, a data set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from workbench.errors import WorkbenchError
from workbench.method import METHODS, mode_of
from workbench.shelf import VARIABLE, Shelf

ROOT = Path(__file__).parents[1]
FILES = {
    "models/architectures/two_layers.py": """
from torch import nn
from workbench.models.architectures import Architecture

class TwoLayers(nn.Sequential, Architecture):
    title, paper, summary = "Two layers", "nobody's", "A hidden layer of 7."
    input_shape, parameter_count, mac_count = (6,), 73, 63

    def __init__(self):
        super().__init__(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))
""",
    "data/sets/thirds.py": """
from functools import partial
import numpy as np
from workbench.data.sets import DataSource
from workbench.data.split import SPLITS, Split

class Thirds(DataSource):
    title, classes = "Which of three numbers is the largest", ("first", "second", "third")

    @classmethod
    def splits(cls):
        return {split: partial(cls.read, seed, split) for seed, split in enumerate(SPLITS)}

    @staticmethod
    def read(seed, split):
        x = np.random.default_rng(seed).random((300, 6)).astype(np.float32)
        return Split(split, x, x[:, :3].argmax(1))
""",
    "costs/biggest_layer.py": """
from workbench.costs import Cost

class BiggestLayer(Cost):
    title, unit, words = "Biggest layer", "bytes", ("smaller", "larger")
    column, tile, place = "share_of_weights", "Biggest layer", 60

    @classmethod
    def of(cls, compressed, device):
        sizes = {name: plan.nbytes for name, (_, plan) in compressed.plans.items()}
        shares = {name: size / sum(sizes.values()) for name, size in sizes.items()}
        return cls.figure(max(sizes.values()), by_layer=shares)
""",
    "methods/prune/every_nth.py": """
from dataclasses import dataclass
import numpy as np
from workbench.method import Layerwise, setting

@dataclass(frozen=True)
class EveryNth(Layerwise):
    catalogue, title, paper, faithful = ("PR-04",), "Every n-th weight", "nobody's", True
    n: int = setting(2, "Which weights become zero.", low=2, high=9, step=1)

    def compress(self, form, decision):
        values = form.compose().copy()
        values.reshape(-1)[:: self.n] = 0
        return form.with_values([values])
""",
    "methods/mine/thirds.py": """
from dataclasses import dataclass
import numpy as np
from workbench.method import Layerwise
from workbench.weights.levels.thirds import Thirds

@dataclass(frozen=True)
class ToThirds(Layerwise):
    catalogue, title, paper, faithful = ("QU-14",), "Thirds", "nobody's", True

    def compress(self, form, decision):
        return form.with_parts([part.rounded(Thirds(float(np.abs(part.values).max()))) for part in form.parts])
""",
    "weights/levels/thirds.py": '''
from dataclasses import dataclass
from functools import cached_property
import numpy as np
from workbench.weights.levels._table import Table

@dataclass(frozen=True, eq=False)
class Thirds(Table):
    """0, a third, two thirds and the whole of a largest value, with both signs."""
    largest: float
    bits: int = 3

    @cached_property
    def entries(self):
        return (np.arange(-3, 4) / 3 * self.largest).astype(np.float32)

    def facts(self):
        return {"largest": self.largest}

    @classmethod
    def restore(cls, reading, shape):
        return cls(float(reading.take("largest")))
''',
    "weights/coders/deflate.py": '''
import zlib
from dataclasses import dataclass
import numpy as np
from workbench.errors import FormatError
from workbench.weights.coders import Coder, symbol_type, taken
from workbench.weights.stored import Stored

@dataclass(frozen=True)
class Deflate(Coder):
    """What gzip does."""
    names = ("codes",)

    def sizes(self, counts):
        return None

    def least(self, counts):
        return 0

    def encode(self, symbols, alphabet, columns=0):
        packed = zlib.compress(symbols.astype(symbol_type(alphabet)).tobytes(), 9)
        return (Stored("codes", "codes", np.frombuffer(packed, np.uint8)),)

    def decode(self, arrays, count, alphabet, columns=0):
        symbols = np.frombuffer(zlib.decompress(taken(arrays, "codes").tobytes()), symbol_type(alphabet))
        if symbols.size != count:
            raise FormatError(f"its stream holds {symbols.size} symbols")
        return symbols
''',
    "weights/places/pairs.py": '''
from dataclasses import dataclass
import numpy as np
from workbench.kernels.lowbit.bitpack import packed_size
from workbench.kernels.sparse.stream import BITMAP
from workbench.weights.places import Places, Placing
from workbench.weights.stored import Stored

@dataclass(frozen=True, eq=False)
class Pairs(Places):
    """One bit for two neighbouring weights says whether either is left; both are then listed."""
    bitmap: np.ndarray
    count: int

    @staticmethod
    def _kept(part):
        flat = np.pad(part.values.reshape(-1) != 0, (0, part.size % 2))
        return flat.reshape(-1, 2).any(1)

    @classmethod
    def placings(cls, part, below=float("inf")):
        kept = int(cls._kept(part).sum())
        if part.size % 2:
            return ()
        arrays = (("bitmap", "indices", packed_size(part.size // 2, 1)),)
        return (Placing({}, arrays, 2 * kept, 2 * kept > part.nonzeros),)

    @classmethod
    def of(cls, part, placing):
        return cls(np.packbits(cls._kept(part), bitorder="little"), part.size // 2)

    def positions(self, shape):
        kept = np.flatnonzero(np.unpackbits(self.bitmap, count=self.count, bitorder="little"))
        return (2 * kept[:, None] + [0, 1]).reshape(-1)

    def arrays(self):
        return (Stored("bitmap", "indices", self.bitmap),)

    def fields(self):
        return {}

    @classmethod
    def restore(cls, reading, shape):
        count = int(np.prod(shape)) // 2
        return cls(reading.bits("bitmap", 1, count), count)

    def stream(self):
        bits = np.unpackbits(self.bitmap, count=self.count, bitorder="little")
        return np.packbits(np.repeat(bits, 2), bitorder="little"), BITMAP
''',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "shelf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "shelf"


def run(folder: Path, *commands: tuple[str, ...]) -> list[str]:
    """What each command prints, one after the other in one process, with that folder on the shelf."""
    program = (
        "import json; from click.testing import CliRunner; from workbench.cli import main;"
        f"ran = [CliRunner().invoke(main, command, catch_exceptions=False) for command in {commands!r}];"
        "assert not any(one.exit_code for one in ran), [one.output for one in ran];"
        "print(json.dumps([one.stdout for one in ran]))"
    )
    return json.loads(python(folder, program))


def python(folder: Path, program: str) -> str:
    environment = {**os.environ, VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_file_each_is_all_that_a_method_levels_and_places_need(folder: Path, tmp_path: Path):
    (with_it,), (without,) = run(folder, ("methods",)), run(tmp_path, ("methods",))
    assert "prune.every-nth" in with_it and "prune.every-nth" not in without
    recipe = tmp_path / "recipe.json"
    steps = [{"method": "prune.every-nth", "settings": {"n": 2}}, {"method": "mine.thirds"}]
    recipe.write_text(
        json.dumps(
            {"version": 1, "steps": steps, "encodings": {"fc1": "pairs", "fc2": "thirds+deflate", "fc3": "thirds"}}
        )
    )
    (folder / "devices").mkdir()
    chip = (ROOT / "workbench/devices/horowitz-45nm.toml").read_text()
    (folder / "devices/mine.toml").write_text(chip.replace("Modelled from", "Mine, from"))
    model, path = "lenet-300-100/mnist", tmp_path / "net.cwb"
    by_recipe = model, "--recipe", str(recipe)
    measured, shown, _, read, on_mine = run(
        folder,
        ("measure", *by_recipe, "--images", "200", "--json"),
        ("measure", *by_recipe, "--images", "200"),
        ("export", *by_recipe, "--to", str(path)),
        ("evaluate", str(path), "--images", "200", "--json"),
        ("measure", model, "--device", "mine", "--images", "100", "--json"),
    )
    measured, read = json.loads(measured), json.loads(read)
    assert json.loads(on_mine)["device"] == "mine"
    biggest = measured["compressed"]["biggest_layer"]
    assert biggest["unit"] == "bytes" and biggest["badge"] == "modelled"
    assert biggest["value"] < measured["original"]["biggest_layer"]["value"] == 4 * 784 * 300
    assert sum(row["share_of_weights"] for row in measured["layers"]) == pytest.approx(1)
    assert "biggest layer (kB)" in shown and f"{biggest['value'] / 1000:,.1f}" in shown
    assert path.stat().st_size == measured["compressed"]["size"]["value"]
    assert [row["encoding"] for row in measured["layers"]] == ["pairs", "thirds+deflate", "thirds"]
    codes = 100 * 300 * 3 // 8  # bytes of fc2's without the coder; in every other weight they say zero
    assert measured["layers"][1]["bytes"] < codes
    assert measured["layers"][0]["nonzeros"] <= 235_200 // 2
    assert read["compressed"]["accuracy"] == measured["compressed"]["accuracy"]
    assert read["compressed"]["size"] == measured["compressed"]["size"]


def test_a_name_that_is_taken_and_a_file_that_is_broken_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    shipped = METHODS["prune.magnitude"]  # what is on this shelf is settled before another one is looked at
    (folder / "methods/prune/magnitude.py").write_text("")
    monkeypatch.setenv(VARIABLE, str(folder))
    with pytest.raises(WorkbenchError, match=r"magnitude\.py would take the place of 'prune\.magnitude'"):
        _ = Shelf("workbench.methods", METHODS._base).files
    (folder / "methods/prune/magnitude.py").unlink()
    (folder / "methods/prune/broken.py").write_text("import nothing_of_that_name\n")
    (folder / "methods/prune/empty.py").write_text("")
    shelf = Shelf("workbench.methods", METHODS._base)
    with pytest.raises(WorkbenchError, match=r"broken\.py cannot be imported: ModuleNotFoundError"):
        _ = shelf["prune.broken"]
    with pytest.raises(WorkbenchError, match=r"empty\.py holds no Method"):
        _ = shelf["prune.empty"]
    assert shelf["prune.magnitude"] is shipped


def test_facts_are_read_without_importing_and_are_those_of_the_class():
    for name, method in METHODS.items():
        facts = METHODS.facts(name)
        assert facts["title"] == method.title
        assert facts["catalogue"] == method.catalogue
        assert facts["paper"] == method.paper
        assert mode_of(facts) == method.mode


def test_a_network_and_a_data_set_of_ones_own_are_measured_with_weights_and_without(folder: Path):
    (blank,) = run(folder, ("measure", "two-layers", "--json"))
    blank = json.loads(blank)
    assert blank["compressed"]["accuracy"] is None and blank["compressed"]["macs"] == 63
    weights = folder / "models/weights/two-layers-thirds.safetensors"
    weights.parent.mkdir()
    choose = torch.cat([torch.eye(3), torch.zeros(3, 3)], 1)  # the first three inputs, through and out again
    wide = {"0.weight": torch.cat([choose, torch.zeros(4, 6)]), "0.bias": torch.zeros(7)}
    save_file({**wide, "2.weight": torch.eye(3, 7), "2.bias": torch.zeros(3)}, weights)
    models, known = run(folder, ("models",), ("measure", "two-layers/thirds", "--bits", "8", "--json"))
    assert "two-layers/thirds" in models
    known = json.loads(known)
    assert known["data"]["title"] == "Which of three numbers is the largest"
    assert known["original"]["accuracy"]["value"] == known["compressed"]["accuracy"]["value"] == 1.0
    assert known["original"]["accuracy"]["images"] == 300


def test_a_metric_of_ones_own_is_an_axis_of_the_plot_and_a_tile(folder: Path):
    program = (
        "import workbench; from widgets.views.measures import brief, described;"
        "from widgets.views.points import compressed_point;"
        "from widgets.views.tiles import tiles; model = workbench.load('lenet-300-100/mnist');"
        "report = workbench.assess(workbench.compress(model, workbench.Recipe.sliders(bits=4)), images=100);"
        "figure = compressed_point(report).figure('biggest_layer', report.device);"
        "said = brief(figure.metric, figure.value);"
        "print([axis['label'] for axis in described()][:-1], said == tiles(report)[-1]['value'])"
    )
    assert python(folder, program).endswith("'Biggest layer'] True\n")
