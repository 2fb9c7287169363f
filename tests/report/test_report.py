"""The report's JSON is what scripts rely on; its table is what a person reads."""

import json
from dataclasses import replace

import pytest

from workbench.costs.bit_operations import BitOperations
from workbench.costs.effective_macs import EffectiveMacs
from workbench.costs.energy import Energy
from workbench.costs.macs import Macs
from workbench.costs.size import Size
from workbench.report.figures import Accuracy, Figures, Latency
from workbench.report.layers import LayerRow, RunsDense
from workbench.report.report import Report

SPLIT = {"arithmetic": 2e-6, "on_chip": 3e-6, "dram": 5e-6}


def costs(size: dict[str, int], effective: int, bits: int, energy: tuple[float, float, float], split: dict) -> dict:
    low, value, high = energy
    figures = (
        Size.figure(sum(size.values()), split=size, by_layer={"fc1": sum(size.values())}),
        Macs.figure(2_293_000),
        EffectiveMacs.figure(effective, whole=2_293_000),
        BitOperations.figure(bits),
        Energy.figure(value, low=low, high=high, split=split, note="Modelled."),
    )
    return {figure.metric.name: figure for figure in figures}


BEFORE = Figures(
    Accuracy(0.9912, 0.9892, 0.9929, 10_000, "measured", exact=True),
    costs({"codes": 1_720_000, "header": 4_512}, 2_293_000, 2_293_000 * 1024, (1e-6, 10e-6, 20e-6), SPLIT),
)
AFTER = Figures(
    Accuracy(0.9871, 0.9847, 0.9891, 10_000, "simulated", exact=True),
    costs(
        {"codes": 60_000, "indices": 21_000, "header": 5_225}, 229_300, 229_300 * 128, (1e-7, 1e-6, 2e-6),
        {"arithmetic": 4e-7, "on_chip": 6e-7, "dram": 0.0},
    ),
)  # fmt: skip


def with_cost(figures: Figures, name: str, **facts: object) -> Figures:
    return replace(figures, costs={**figures.costs, name: replace(figures.costs[name], **facts)})


REPORT = Report(
    model="lenet-5/mnist",
    data={"name": "mnist", "split": "test", "images": 10_000, "digest": "ab12"},
    device="horowitz-45nm",
    recipe={"version": 1, "steps": [], "encodings": {}, "digest": "0123456789abcdef"},
    original=BEFORE,
    compressed=AFTER,
    layers=(
        LayerRow(
            "fc1", "linear", (500, 800), 400_000, 40_000, 4, 32, None, 307, "bitmap",
            {"bytes": 81_000, "macs": 400_000, "effective_macs": 40_000, "energy": 1e-6},
        ),
    ),
    notes=("A remark on the whole.",),
    kind="preview",
    input_shape=(1, 28, 28),
)  # fmt: skip
FIGURES = ["accuracy", "size", "macs", "effective_macs", "bit_operations", "energy", "latency"]


def rows(report: Report) -> dict[str, str]:
    """The table's lines by their first word, spaces collapsed."""
    return {line.split()[0]: " ".join(line.split()) for line in report.table().splitlines() if line.strip()}


def test_the_json_has_the_fields_that_scripts_rely_on() -> None:
    content = json.loads(json.dumps(REPORT.to_dict()))
    assert content == REPORT.to_dict()
    assert list(content) == [
        "model", "data", "device", "recipe", "input_shape", "original", "compressed", "layers", "notes", "kind",
        "previews", "beside",
    ]  # fmt: skip
    for side in ("original", "compressed"):
        assert list(content[side]) == FIGURES
        assert list(content[side]["accuracy"]) == ["value", "low", "high", "images", "badge"]
        assert list(content[side]["size"]) == ["value", "by_layer", "by_part", "badge"]
        assert list(content[side]["bit_operations"]) == ["value", "at_least"]
        assert list(content[side]["energy"]) == ["low", "value", "high", "split", "badge", "note"]
        assert content[side]["latency"] is None
    assert content["original"]["accuracy"]["badge"] == "measured"
    assert content["compressed"]["accuracy"]["badge"] == "simulated"
    assert content["compressed"]["size"]["badge"] == "on disk"
    assert content["compressed"]["energy"]["badge"] == "modelled"
    assert content["layers"][0]["shape"] == [500, 800]
    assert list(content["layers"][0]) == [
        "name", "kind", "shape", "weights", "nonzeros", "bits", "input_bits", "rank", "break_even_rank", "encoding",
        "bytes", "macs", "effective_macs", "energy", "note", "dense_latency", "latency", "latency_note", "runs_dense",
    ]  # fmt: skip


def test_what_is_not_known_is_null() -> None:
    bare = replace(REPORT, data=None, original=None, compressed=replace(AFTER, accuracy=None))
    content = bare.to_dict()
    assert content["data"] is content["original"] is content["compressed"]["accuracy"] is None


def test_latency_is_seconds_with_its_badge() -> None:
    timed = replace(AFTER, latency=Latency(0.002, low=0.0019, high=0.0023, threads=2))
    spread = {"low": 0.0019, "high": 0.0023, "threads": 2}
    assert timed.to_object()["latency"] == {"median": 0.002, "badge": "measured"} | spread


def test_layers_show_both_latencies_and_why_nothing_was_gained() -> None:
    row = replace(
        REPORT.layers[0], dense_latency=Latency(18e-6), latency=Latency(23e-6), latency_note="Too small to gain."
    )
    timed = replace(REPORT, layers=(row,))
    assert rows(timed)["fc1"].endswith("1 uJ 18 us 23 us")
    assert "- fc1: Too small to gain." in timed.table()
    assert json.loads(json.dumps(timed.to_dict()))["layers"][0]["latency"]["median"] == 23e-6
    assert "layers run dense" not in timed.table()
    run_dense = replace(timed, layers=(replace(row, runs_dense=RunsDense(6.0, 400_000, 0.25)),))
    assert rows(run_dense)["layers"] == "layers run dense 1 of 1"
    assert run_dense.to_dict()["layers"][0]["runs_dense"] == {"times": 6.0, "macs": 400_000, "intensity": 0.25}


def test_the_table_sets_original_and_compressed_side_by_side() -> None:
    table = REPORT.table()
    assert "1 MAC = 2 FLOPs" in table
    assert "1 kB = 1,000 bytes" in table
    assert "one input of 1 x 28 x 28" in table
    assert "(preview)" in table
    found = rows(REPORT)
    assert found["accuracy"] == "accuracy (%) 99.12 98.71 -0.41 points measured | simulated"
    assert found["95"] == "95 % interval 98.92 to 99.29 98.47 to 98.91"
    assert found["size"] == "size (kB) 1,724.5 86.2 20x less on disk"
    assert found["indices"] == "indices 0.0 21.0"
    assert found["MACs"] == "MACs 2,293,000 2,293,000 same modelled"
    assert found["effective"] == "effective MACs 2,293,000 229,300 10x less modelled"
    assert found["bit"] == "bit operations 2,348,032,000 29,350,400 80x less modelled"
    assert found["energy"] == "energy 10 uJ 1 uJ 10x less modelled"
    assert found["low"] == "low to high 1 uJ to 20 uJ 100 nJ to 2 uJ"
    assert found["dram"] == "dram 5 uJ 0 J none left"
    assert found["fc1"] == "fc1 linear 500x800 40,000 of 400,000 4 - bitmap 81,000 400,000 40,000 1 uJ"
    assert "- A remark on the whole." in table
    assert "- energy: Modelled." in table


def test_the_table_is_aligned() -> None:
    figures = REPORT.table().split("\n\n")[1].splitlines()
    ends = {
        line.index(cell) + len(cell) for line, cell in zip(figures[:3], ("original", "99.12", "99.29"), strict=True)
    }
    assert len(ends) == 1


def test_figures_that_leave_operators_out_say_at_least() -> None:
    partial = replace(REPORT, compressed=with_cost(AFTER, "effective_macs", at_least=True))
    assert "at least 229,300" in partial.table()
    assert "at least" not in REPORT.table()


@pytest.mark.parametrize("accuracy", [None, AFTER.accuracy])
def test_a_table_without_an_original_shows_the_compressed_network_alone(accuracy: Accuracy | None) -> None:
    alone = replace(REPORT, original=None, compressed=replace(AFTER, accuracy=accuracy, latency=Latency(0.0015)))
    found = rows(alone)
    assert found["accuracy"] == ("accuracy - not known" if accuracy is None else "accuracy (%) - 98.71 simulated")
    assert found["size"] == "size (kB) - 86.2 on disk"
    assert found["latency"] == "latency - 1.500 ms measured"


def test_a_device_without_a_split_shows_one_figure() -> None:
    before, after = (
        with_cost(figures, "energy", low=1e-3, value=1e-3, high=2e-3, split={"device": 1e-3})
        for figures in (BEFORE, AFTER)
    )
    found = rows(replace(REPORT, original=before, compressed=after))
    assert found["energy"] == "energy 1 mJ 1 mJ same modelled"
    assert "device" not in found
