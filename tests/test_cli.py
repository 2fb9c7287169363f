"""The command line: JSON shapes that scripts rely on, exit codes, one-sentence errors, measure = export = evaluate."""

import ctypes
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from workbench import cli
from workbench.cli import main
from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.kernels.compiler import watch
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model, load
from workbench.recipe import Recipe, Step

MODEL = "lenet-300-100/mnist"
UNTRAINED = "prune.retrained-magnitude:seed=1"  # the result of seed 0 comes with the workbench
CHOICES = ["--sparsity", "0.9", "--bits", "4"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_compiled_silently(terminal, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    with cli._compiling_said():
        for module in ("sparse.stream", "lowbit.bitpack"):
            watch.begun(f"workbench.kernels.{module}")
            watch.ended()
    said = capsys.readouterr().err
    if terminal:
        assert "once on this machine" in said and "now lowbit bitpack" in said and said.endswith("\r\x1b[K")
    else:
        assert said == "Compiling kernels, once on this machine.\n"


def loaded(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def untimed(report: Any) -> Any:
    """The report without what no two measurements share, and without what a file does not tell: the steps' remarks."""
    for side in ("original", "compressed"):
        assert report[side].pop("latency")["median"] > 0
    for row in report["layers"]:
        for field in ("dense_latency", "latency", "latency_note", "runs_dense", "note"):
            row.pop(field)
    return report


def test_lists() -> None:
    assert MODEL in [row["name"] for row in loaded("models")]
    methods = {row["name"]: row for row in loaded("methods")}
    assert methods["prune.magnitude"]["catalogue"] == ["PR-04"]
    assert methods["prune.magnitude"]["settings"]["sparsity"]["slider"] == "sparsity"
    assert "horowitz-45nm" in [row["name"] for row in loaded("devices")]
    for name in ("models", "methods", "devices"):
        assert run(name).exit_code == 0


def test_measure_prints_the_promised_object() -> None:
    report = loaded("measure", MODEL, *CHOICES, "--images", "500")
    assert report["model"] == MODEL
    assert report["device"] == "horowitz-45nm"
    assert report["data"]["name"] == "mnist"
    assert report["recipe"]["digest"] == Recipe.sliders(sparsity=0.9, bits=4).digest
    for side, badge in (("original", "measured"), ("compressed", "simulated")):
        figures = report[side]
        assert {"accuracy", "size", "macs", "effective_macs", "bit_operations", "energy", "latency"} <= set(figures)
        accuracy = figures["accuracy"]
        assert 0 < accuracy["low"] < accuracy["value"] < accuracy["high"] < 1
        assert (accuracy["images"], accuracy["badge"]) == (500, badge)
        size = figures["size"]
        assert size["badge"] == "on disk"
        assert sum(size["by_layer"].values()) == sum(size["by_part"].values()) == size["value"]
        assert set(figures["bit_operations"]) == {"value", "at_least"}
        energy = figures["energy"]
        assert energy["low"] <= energy["value"] <= energy["high"]
        assert sum(energy["split"].values()) == pytest.approx(energy["value"])
        assert energy["badge"] == "modelled"
        latency = figures["latency"]
        assert 0 < latency["low"] <= latency["median"] <= latency["high"] < 1
        assert latency["badge"] == "measured" and latency["threads"] >= 1
    for row in report["layers"]:
        assert 0 < row["dense_latency"]["low"] <= row["dense_latency"]["median"]
        assert 0 < row["latency"]["median"] <= row["latency"]["high"]
        assert row["latency"]["median"] <= row["dense_latency"]["median"] or row["latency_note"]
    assert report["original"]["macs"] == 784 * 300 + 300 * 100 + 100 * 10
    assert report["compressed"]["effective_macs"] == 266_200 - round(0.9 * 266_200)
    assert report["kind"] == "preview"


def test_export_is_as_large_as_measured_and_evaluate_agrees(tmp_path: Path) -> None:
    path = tmp_path / "net.cwb"
    measured = loaded("measure", MODEL, *CHOICES, "--rank", "0.8")
    assert run("export", MODEL, *CHOICES, "--rank", "0.8", "--to", str(path)).exit_code == 0
    assert path.stat().st_size == measured["compressed"]["size"]["value"]
    evaluated = loaded("evaluate", str(path))
    assert untimed(evaluated) == untimed(measured)


def test_a_recipe_file_says_the_same_as_the_sliders(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(Recipe.sliders(sparsity=0.9, bits=4).to_json())
    by_file = loaded("measure", MODEL, "--recipe", str(path), "--images", "250")
    assert untimed(by_file) == untimed(loaded("measure", MODEL, *CHOICES, "--images", "250"))


def test_bits_of_layers_keep_to_the_bytes_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    result = run("bits", MODEL, "--size", "110000", "--images", "50", "--to", str(path))
    assert result.exit_code == 0, result.output
    assert compress(load(MODEL), Recipe.from_json(path.read_text())).size.value <= 110_000
    assert run("bits", MODEL, "--size", "1000", "--images", "50").exit_code == 2


def test_methods_can_be_chosen_and_the_table_is_readable() -> None:
    chosen = ("--bits", "3", "--bits-method", "quantize.kmeans", "--images", "250")
    assert loaded("measure", MODEL, *chosen)["recipe"]["steps"][0]["method"] == "quantize.kmeans"
    table = run("measure", MODEL, *chosen).stdout
    assert "accuracy (%)" in table and "fc1" in table


def test_steps_are_taken_in_the_order_in_which_they_are_given() -> None:
    steps = ("--step", "quantize.uniform:bits=4,per=group", "--step", "prune.magnitude:sparsity=0.5,scope=layer")
    report = loaded("measure", MODEL, *steps, "--images", "250")
    expected = Recipe((Step(Uniform(bits=4, per="group")), Step(Magnitude(sparsity=0.5, scope="layer"))))
    assert report["recipe"]["digest"] == expected.digest


def test_interaction_has_a_row_for_each_slider_and_figure_in_milliseconds() -> None:
    result = loaded("bench", "interaction", "--models", MODEL, "--surfaces", "engine", "--moves", "2")
    assert result["machine"]["cores"] >= 1 and len(result["load"]) == 3
    assert (result["sweeps"], result["startup"]) == ([], None)
    found = {(row["move"], row["figure"]): row for row in result["rows"]}
    assert {move for move, _ in found} == {"sparsity", "bits", "rank", "layer"}
    for move, _ in found:
        costs, accuracy, exact = (found[move, figure] for figure in ("costs", "accuracy", "exact"))
        assert 0 < costs["median"] <= accuracy["median"] <= exact["median"]
        assert costs["moves"] == accuracy["moves"] == exact["moves"] == 2
        assert (exact["surface"], exact["model"]) == ("engine", MODEL)


@pytest.mark.slow
def test_breakeven_has_a_row_for_each_shape() -> None:
    result = loaded("bench", "breakeven", MODEL)
    assert result["machine"]["cores"] >= 1
    assert [row["shape"] for row in result["rows"]] == [[300, 784], [100, 300], [10, 100]]
    for row in result["rows"]:
        assert row["columns"] == row["threads"] == 1
        assert "F.linear" in row["sparsity"]
        assert all(zeros is None or 0 <= zeros <= 0.99 for zeros in row["sparsity"].values())
        assert 0 <= row["rank"] <= min(row["shape"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("measure", "lenet-9/mnist"), "There is no model 'lenet-9/mnist'"),
        (("measure", MODEL, "--sparsity", "1.5"), "sparsity must be a number from 0 to 1"),
        (("measure", MODEL, "--bits", "16"), "bits must be a number from 1 to 8"),
        (("measure", MODEL, "--bits", "four"), "'four' is not a valid integer"),
        (("measure", MODEL, "--rank", "-1"), "rank must be a number from 0 to 1"),
        (("measure", MODEL, "--device", "toaster"), "There is no device 'toaster'"),
        (("measure", MODEL, "--images", "0"), "images"),
        (("measure", MODEL, "--images", "10001"), "images"),
        (("measure", MODEL, "--recipe", "missing.json"), "No such file or directory: missing.json"),
        (("measure", MODEL, "--recipe", "x.json", "--bits", "4"), "either --recipe, or --step, or the sliders"),
        (("measure", MODEL, "--step", "prune.magic"), "There is no method 'prune.magic'; perhaps prune.magnitude"),
        (("measure", MODEL, "--step", "prune.magnitude:share=0.4"), "prune.magnitude has no setting 'share'"),
        (("measure", MODEL, "--step", "quantize.uniform:bits=four"), "bits must be a number from 1 to 8, not 'four'"),
        (("measure", MODEL, "--step", "quantize.uniform:bits"), "'bits' is no SETTING=VALUE"),
        (("measure", MODEL, "--step", "quantize.kmeans", "--bits", "4"), "either --recipe, or --step, or the sliders"),
        (("evaluate", "missing.cwb"), "missing.cwb"),
        (("bench", "interaction", "--models", "lenet-9/mnist"), "There is no model 'lenet-9/mnist'"),
        (("bench", "interaction", "--surfaces", "voila,paper"), "There is no surface 'paper'"),
        (("bench", "interaction", "--moves", "0"), "0 is not in the range x>=1"),
        (("bench", "breakeven", "lenet-9/mnist"), "There is no model 'lenet-9/mnist'"),
        (("export", MODEL, "--to", "/nowhere/net.cwb"), "/nowhere"),
        (("export", MODEL, "--to", ""), "a file's name cannot be empty"),
        (("export", MODEL, "--to", "/nowhere/\udcff"), r"/nowhere/\udcff cannot be written"),
        (("evaluate", ""), "a file's name cannot be empty"),
        (("evaluate", "\udcff.cwb"), r"\udcff.cwb cannot be read"),
        (("measure", MODEL, "--recipe", sys.executable), "it is no recipe"),
        (("measure", MODEL, "--recipe", "/dev/zero"), "is larger than 10,000,000 bytes"),
        (("measure", MODEL, "--bits", "9" * 5000), "…"),
        (("measure", MODEL, "--sparsity", "9" * 5000), "sparsity must be a number from 0 to 1, not inf"),
        (("measure", MODEL, "--step", f"quantize.uniform:bits={'9' * 5000}"), "bits must be a number from 1 to 8"),
        (("measure", MODEL, "--images", "9" * 5000), "…"),
        (("measure", "\x1b[2J"), r"There is no model '\x1b[2J'"),
        (("bench", "coverage", "--recipes", "0"), "0 is not in the range x>=1"),
    ],
)
def test_bad_choices_exit_2_with_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    last = result.output.strip().splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in result.output
    assert last.isprintable() and len(last) < 2000


PROGRAM = [sys.executable, "-c", "from workbench.cli import main; main()"]


@pytest.mark.skipif(os.name == "nt", reason="needs /bin/sh")
def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    line = f"{shlex.join(PROGRAM)} methods --json | head -c 1"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert (len(ended.stdout), ended.stderr) == (1, "")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="gives up Linux's capabilities")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("train", MODEL, "--step", UNTRAINED), 2, "results cannot be made: Permission denied."),
        (("lab", "--no-browser"), 2, "Permission denied: "),
        pytest.param(
            ("export", MODEL, "--to", "n"), 2, "n cannot be written: Permission denied.", marks=pytest.mark.slow
        ),
        pytest.param(("measure", MODEL, "--bits", "4", "--images", "100"), 0, "accuracy", marks=pytest.mark.slow),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_where_nothing_can_be_written(arguments: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    """As for a user who is not root, whose home is somebody else's; the last compiles every kernel that it needs."""
    ended = subprocess.run([*PROGRAM, *arguments], **homeless(tmp_path), capture_output=True, text=True)
    shown = (ended.stderr or ended.stdout).strip()
    assert (ended.returncode, said in shown) == (code, True), shown
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


def homeless(folder: Path) -> dict[str, Any]:
    """How a process is begun that can write neither into its home nor into where it is, be it root's."""
    folder.chmod(0o555)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "WORKBENCH_"))}
    variables["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), variables.get("PYTHONPATH", "")])

    def give_up() -> None:
        for capability in (1, 2):  # of passing over the rights of files, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; refused where it is not root's

    return {"env": {**variables, "HOME": str(folder)}, "cwd": folder, "preexec_fn": give_up}


OWN = """
import numpy, torch
torch.manual_seed(0)
images = torch.randn(60, 12)
network = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
data = (images, network(images).argmax(1))
make = lambda: torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
number = 3
"""


def test_a_network_of_ones_own_is_evaluated_with_its_module_and_data(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    own: dict[str, Any] = {}
    exec(OWN, own)
    model = Model.from_module(own["network"], own["images"][:1], Dataset.of(own["data"]), "mine")
    compressed = compress(model, Recipe.sliders(bits=4))
    file = str(compressed.save(tmp_path / "mine.cwb"))
    expected = assess(compressed).to_dict()["compressed"]
    del expected["accuracy"]["paired"]  # the file does not hold the original that it is compared with
    for name in ("network", "make"):  # weights and all come from the file
        given = ("--module", f"{tmp_path}/mine.py:{name}", "--data", f"{tmp_path}/mine.py:data")
        found = loaded("evaluate", file, *given)["compressed"]
        assert found["size"] == expected["size"]
        assert found["accuracy"]["value"] == expected["accuracy"]["value"]
    for given, sentence in (
        ((), "--module FILE.py:NAME on the command line"),
        (("--module", "mine"), "'mine' is no FILE.py:NAME"),
        (("--module", f"{tmp_path}/mine.py:other"), "defines no 'other'"),
        (("--module", f"{tmp_path}/mine.py:number"), "is no torch module, and makes none"),
        (("--module", f"{tmp_path}/none.py:net"), "cannot be run"),
    ):
        refused = run("evaluate", file, *given)
        assert (refused.exit_code, sentence in refused.output.replace("\n", " ")) == (2, True), refused.output


def test_a_damaged_file_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "net.cwb"
    path.write_bytes(b"not a packed network")
    assert run("evaluate", str(path)).exit_code == 2
