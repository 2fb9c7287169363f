"""Kernels that are forks: as good as those with an interpreter of their own, and apart from each other."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import widgets
from widgets.server import forked
from widgets.server.forked import ForkedProvisioner
from widgets.server.forked_kernel import NOTEBOOK
from widgets.server.kernels import Kernels
from widgets.server.paths import shipped_notebooks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux")
ASKED = """
import json, os, random, threading
import numpy as np
import torch
import workbench
left, right = torch.rand(2, 400, 400)
task = threading.Thread(target=torch.mm, args=(left, right))  # OpenMP's threads are begun for each that calls torch
task.start()
task.join()
model = workbench.load("lenet-300-100/mnist")
report = workbench.assess(workbench.compress(model, workbench.Recipe()), images=1000)
print(json.dumps({
    "parent": os.getppid(), "process": os.getpid(), "group": os.getpgid(0), "name": open("/proc/self/comm").read(),
    "threads": torch.get_num_threads(), "folder": os.getcwd(), "variable": os.environ.get("OF_THIS_KERNEL"),
    "drawn": [random.random(), float(np.random.rand()), float(torch.rand(1))],
    "accuracy": report.compressed.accuracy.value, "product": float((left @ right).sum()),
}))
"""


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(widgets.__file__).parents[1]))


async def told(kernels: Kernels, count: int, folder: Path) -> list[dict[str, Any]]:
    """What so many kernels say, all alive at once."""
    names = []
    for number in range(count):
        variables = {**os.environ, "OF_THIS_KERNEL": str(number)}
        names.append(await kernels.start_kernel(kernel_name="python3", env=variables, cwd=str(folder)))
    found = [await _said(kernels, name) for name in names]
    for one in found:
        os.kill(one["process"], 0)
    for name in names:
        await kernels.shutdown_kernel(name)
    for one in found:
        with pytest.raises(ProcessLookupError):
            os.kill(one["process"], 0)
    return found


async def _said(kernels: Kernels, name: str) -> dict[str, Any]:
    client, said = kernels.get_kernel(name).client(), []
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        await client.execute_interactive(ASKED, output_hook=said.append, timeout=60)
    finally:
        client.stop_channels()
    (text,) = [one["content"]["text"] for one in said if one["msg_type"] == "stream"] or [str(said)]
    return json.loads(text)


def test_they_run_networks_and_share_neither_chance_nor_surroundings(tmp_path: Path) -> None:
    first, second = asyncio.run(told(Kernels(connection_dir=str(tmp_path)), 2, tmp_path))
    plain = subprocess.check_output([sys.executable, "-c", "import torch; print(torch.get_num_threads())"], text=True)
    for number, one in enumerate((first, second)):
        assert one["name"].startswith("kernel ")
        assert one["group"] == one["process"] != one["parent"]
        assert (one["variable"], one["folder"]) == (str(number), str(tmp_path))
        assert one["threads"] == int(plain)
        assert one["accuracy"] > 0.97
    assert first["parent"] == second["parent"] != os.getpid()
    assert not set(first["drawn"]) & set(second["drawn"])
    assert first["product"] != second["product"]


def test_where_there_is_no_fork_a_kernel_has_an_interpreter_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ForkedProvisioner, "_failed", False)

    def broken(*given: Any) -> None:
        raise EOFError("unexpected EOF")

    monkeypatch.setattr(forked, "_Forked", broken)
    (one,) = asyncio.run(told(Kernels(connection_dir=str(tmp_path)), 1, tmp_path))
    assert one["parent"] == os.getpid() and one["accuracy"] > 0.97
    assert "Kernels cannot be forked (unexpected EOF)" in caplog.text
    assert ForkedProvisioner._failed


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ([sys.executable, "-m", "ipykernel_launcher", "-f", "x.json"], ["-f", "x.json"]),
        ([sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "x"], ["-f", "x"]),
        (["/other/python", "-m", "ipykernel_launcher", "-f", "x.json"], None),
        ([sys.executable, "-m", "bash_kernel", "-f", "x.json"], None),
        (["julia", "kernel.jl", "x.json"], None),
    ],
)
def test_only_kernels_of_this_python_are_forked(command: Sequence[str], arguments: list[str] | None) -> None:
    assert forked._arguments(list(command)) == arguments


@pytest.mark.parametrize("notebook", ["dashboard", "stakeholders"])
def test_the_process_that_is_forked_has_one_thread_and_has_run_the_network_of_the_page(notebook: str) -> None:
    asked = """
import os
import widgets.server.preloaded
from IPython import get_ipython
from workbench.accuracy import examiner
answers = examiner._given
print(len(os.listdir("/proc/self/task")), get_ipython(), len(answers.keys()))
"""
    variables = {**os.environ, NOTEBOOK: str(shipped_notebooks() / f"{notebook}.ipynb")}
    said = subprocess.check_output([sys.executable, "-c", asked], text=True, env=variables)
    assert said.split() == ["1", "None", "1"]
