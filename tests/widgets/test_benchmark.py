"""The picture of the kernel benchmark, and the widget that measures or reads one."""

import copy
import json
import math
import time

import pytest

from benchmarks.measure import LEAST_TIMED, at_most, interleaved
from widgets import KernelBenchmark
from widgets.draw.benchmark import BenchmarkPicture
from widgets.views.benchmark import benchmark
from widgets.views.numbers import NBSP
from workbench.errors import FormatError, WorkbenchError

RESULT = {
    "machine": {"processor": "A processor", "cores": 2, "features": ["avx2", "fma"], "torch": "2.13.0"},
    "rows": [
        {
            "kernel": "gemv_lowbit",
            "case": "4 bits, 4096², per channel",
            "threads": 1,
            "seconds": 147e-6,
            "opponents": {"F.linear": 2.484e-3, "numpy": 73.5e-6},
            "limit_share": 0.83,
        },
        {
            "kernel": "gemv_lowbit",
            "case": "8 bits, 4096², per channel",
            "threads": 2,
            "seconds": 267e-6,
            "opponents": {"numpy": 267e-6},
            "limit_share": None,
        },
        {
            "kernel": "mystery",
            "case": "x",
            "threads": 1,
            "seconds": 1.0,
            "opponents": {},
            "limit_share": 1.07,
        },
    ],
}


def test_kernels_in_order_with_their_opponents_and_threads():
    picture = benchmark(RESULT)
    assert [one["name"] for one in picture["kernels"]] == ["gemv_lowbit", "mystery"]
    assert picture["kernels"][0]["opponents"] == ["F.linear", "numpy"]
    assert picture["kernels"][1]["title"] == "mystery"
    assert picture["threads"] == [1, 2]
    assert picture["machine"] == "A processor; 2 cores; vector features avx2, fma; torch 2.13.0"


def test_a_row_says_how_much_faster_and_how_much_slower():
    first, second = benchmark(RESULT)["kernels"][0]["rows"]
    assert (first["time"], first["threads_text"], first["limit"]) == (f"147{NBSP}µs", "1 thread", f"83{NBSP}%")
    assert [mark["ratio"] for mark in first["marks"]] == ["16.9×", "0.500×"]
    assert [mark["text"] for mark in first["marks"]] == [
        f"16.9× faster than F.linear (2.48{NBSP}ms)",
        f"2.00× slower than numpy (73.5{NBSP}µs)",
    ]
    assert "16.9× faster than F.linear" in first["label"] and "83" in first["label"]
    assert second["marks"] == [
        {"opponent": 1, "at": benchmark(RESULT)["kernels"][0]["even"], "ratio": "1.00×", "time": f"267{NBSP}µs",
         "text": f"as fast as numpy (267{NBSP}µs)"}
    ]  # fmt: skip
    assert second["limit"] == ""


def test_equal_factors_are_equally_far_apart_on_the_axis():
    kernel = benchmark(RESULT)["kernels"][0]
    faster, slower = (mark["at"] for mark in kernel["rows"][0]["marks"])
    assert 0 < slower < kernel["even"] < faster < 1
    assert (faster - kernel["even"]) / (kernel["even"] - slower) == pytest.approx(math.log(2.484e-3 / 147e-6, 2))
    ticks = {tick["text"]: tick["at"] for tick in kernel["ticks"]}
    assert ticks["1×"] == kernel["even"]
    assert ticks["10×"] - ticks["5×"] == pytest.approx(ticks["2×"] - ticks["1×"])


def test_a_share_above_the_limit_fills_its_bar_and_says_the_figure():
    row = benchmark(RESULT)["kernels"][1]["rows"][0]
    assert (row["limit"], row["limit_share"]) == (f"107{NBSP}%", 1.0)


def changed(field, value):
    result = copy.deepcopy(RESULT)
    result["rows"][1][field] = value
    return result


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (None, "list of rows"),
        ([], "list of rows"),
        ({"machine": {}, "rows": {}}, "list of rows"),
        ({"rows": []}, "machine"),
        ({"machine": {}, "rows": [7]}, "rows[0]"),
        ({"machine": {}, "rows": [RESULT["rows"][0]] * 10_001}, "10001 rows"),
        (changed("kernel", 3), "rows[1].kernel"),
        (changed("case", "x" * 201), "rows[1].case"),
        (changed("threads", True), "rows[1].threads"),
        (changed("seconds", 0), "rows[1].seconds"),
        (changed("seconds", float("nan")), "rows[1].seconds"),
        (changed("seconds", "1"), "rows[1].seconds"),
        (changed("opponents", {"numpy": -1.0}), "rows[1].opponents"),
        (changed("opponents", {"numpy": float("inf")}), "rows[1].opponents"),
        (changed("opponents", {str(n): 1.0 for n in range(9)}), "11 opponents"),
        (changed("limit_share", "all"), "rows[1].limit_share"),
    ],
)
def test_what_is_no_benchmark_is_refused_by_its_field(result, named):
    with pytest.raises(FormatError) as refused:
        benchmark(result)
    assert named in str(refused.value)


def test_a_saved_file_shows_the_same_picture(tmp_path):
    shown = KernelBenchmark(RESULT)
    again = KernelBenchmark.read(shown.save(tmp_path / "kernels.json"))
    assert again.result == RESULT
    assert again._picture.state == shown._picture.state
    assert not shown._picture.state["running"]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", json.dumps({"machine": {}, "rows": [{}]})])
def test_a_file_that_holds_no_benchmark_is_refused(tmp_path, text):
    path = tmp_path / "kernels.json"
    path.write_text(text)
    with pytest.raises(FormatError):
        KernelBenchmark.read(path)


def test_a_measurement_that_is_stopped_keeps_the_rows_it_has():
    measured = KernelBenchmark.measure(["pack"], quick=True)
    measured._picture._handle_custom_msg({"kind": "stop"}, [])
    measured.wait()
    (row,) = measured.result["rows"]
    assert (row["kernel"], row["threads"]) == ("pack", 1)
    assert set(row["opponents"]) == {"memcpy", "numpy packbits", "dense stream"}
    state = measured._picture.state
    assert not state["running"] and not state["error"]
    assert [one["name"] for one in state["benchmark"]["kernels"]] == ["pack"]
    measured.close()


def test_only_kernels_that_there_are_can_be_measured():
    with pytest.raises(WorkbenchError, match="There is no kernel 'gemm'"):
        KernelBenchmark.measure(["gemm"])
    with pytest.raises(WorkbenchError, match="at least 1 round"):
        KernelBenchmark.measure(["pack"], rounds=0)


def test_fewer_rounds_time_each_candidate_less_often():
    calls = []
    with at_most(2):
        interleaved({"one": lambda: calls.append(time.sleep(2 * LEAST_TIMED))})
    few = len(calls)
    with at_most(None):
        interleaved({"one": lambda: calls.append(time.sleep(2 * LEAST_TIMED))}, rounds=4)
    assert len(calls) - few == few + 2 * 2  # a round calls it twice, once of them timed


@pytest.fixture
def stops():
    return []


@pytest.fixture
def picture(stops):
    picture = BenchmarkPicture(lambda: stops.append(True), {"benchmark": benchmark(RESULT)})
    yield picture
    picture.close()


def test_a_page_can_stop_and_nothing_else(picture, stops):
    before = picture.get_state()
    picture.set_state({"state": {}, "_esm": "alert(1)", "_css": "", "layout": None})
    for content in (None, 5, [], {}, {"kind": ["stop"]}, {"kind": "close"}, "stop"):
        picture._handle_custom_msg(content, [])
    assert picture.get_state() == before
    assert stops == []
    picture._handle_custom_msg({"kind": "stop"}, [])
    assert stops == [True]


def test_a_page_that_was_drawn_late_is_sent_everything_again(picture, monkeypatch):
    sent = []
    monkeypatch.setattr(picture, "send_state", lambda key=None: sent.append(key))
    picture._handle_custom_msg({"kind": "hello"}, [])
    assert sent == ["state"]
