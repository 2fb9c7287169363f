"""The interaction benchmark on the real page, and what it says of a start."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from benchmarks.browser import Panel, chromium, measure, open_dashboard
from benchmarks.moves import FIGURES, KINDS
from benchmarks.servers import serving
from benchmarks.startup import kernels, memory
from workbench.cli import main
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.browser
LENET = "lenet-300-100/mnist"


@pytest.mark.slow
def test_every_move_is_answered_in_order_and_the_last_position_is_shown(browser: Browser) -> None:
    rows, (sweep,) = measure(browser, "voila", [LENET], 2, lambda text: None)
    found = {(row["move"], row["figure"]): row for row in rows}
    assert set(found) == {(kind, f"{figure}{of}") for kind in KINDS for figure in FIGURES for of in ("", ", painted")}
    for row in rows:
        assert (row["surface"], row["model"], row["moves"]) == ("voila", LENET, 2)
        assert 0 < row["median"] <= row["p95"]
    for kind in KINDS:
        costs, accuracy, exact = (found[kind, figure]["median"] for figure in FIGURES)
        assert costs <= accuracy <= exact
        assert all(found[kind, figure]["median"] <= found[kind, f"{figure}, painted"]["median"] for figure in FIGURES)
    assert sweep["moves"] == sweep["costs"]["moves"] <= 99
    assert sweep["last_position_shown"]
    assert 0 < sweep["costs_shown"] <= sweep["moves"] and sweep["foreseen"] <= sweep["moves"]


def test_a_missing_browser_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(WorkbenchError, match="needs Chromium or Chrome"), chromium():
        pass
    ran = CliRunner().invoke(main, ["bench", "interaction", "--models", LENET, "--surfaces", "voila"])
    assert ran.exit_code == 2
    assert ran.output.strip().splitlines()[-1].startswith("Error: Measuring the page needs Chromium")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")
def test_memory_is_what_the_system_tells_of_a_process() -> None:
    found = memory(os.getpid())
    assert 0 < found["pss"] <= found["rss"]
    with subprocess.Popen(["sleep", "60"]) as process:
        assert memory(process.pid)["rss"] < found["rss"]
        process.kill()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_kernel_of_a_closed_page_is_gone_within_ten_minutes(browser: Browser, tmp_path: Path) -> None:
    with serving("voila", tmp_path, ["--preheat_kernel=False"]) as server:
        page = browser.new_page()
        open_dashboard(page, server)
        Panel(page).settle()
        assert len(kernels(server)) == 1
        page.close()
        deadline = time.monotonic() + 600
        while kernels(server) and time.monotonic() < deadline:
            time.sleep(5)
        assert kernels(server) == []
