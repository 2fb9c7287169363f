"""The servers' settings: found, real, and without a link to another host."""

import asyncio
import json
import queue
import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from tornado.web import HTTPError
from traitlets.utils.importstring import import_item

import widgets.server
from widgets.server import paths
from widgets.server.__main__ import dashboard_arguments, lab_arguments, main
from widgets.server.bundle import bundle_handlers
from widgets.server.dashboard import DashboardServer
from widgets.server.kernels import Kernels
from workbench.errors import WorkbenchError

SETTINGS = Path(widgets.server.__file__).parent / "settings"
FILES = sorted(path for path in SETTINGS.rglob("*") if path.is_file())


def test_every_class_that_the_settings_name_exists():
    named = {
        name
        for path in SETTINGS.rglob("*.json")
        for name in re.findall(r"widgets\.server\.\w+(?:\.\w+)?", path.read_text())
    }
    assert named == {
        "widgets.server.connection.GuardedConnection",
        "widgets.server.extension",
        "widgets.server.kernels.Kernels",
        "widgets.server.log.Printable",
    }
    for name in named:
        import_item(name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_setting_or_template_links_to_another_host(path):
    links = re.findall(r"(?:src|href)=\"(?!data:|\{\{)([^\"]*)|@import|url\(", path.read_text())
    assert links == []


def test_a_kernel_that_died_is_told_within_a_second_and_is_not_begun_again_without_its_page():
    settings = json.loads((SETTINGS / "config" / "voila.json").read_text())["KernelRestarter"]
    assert settings["time_to_dead"] <= 1
    assert settings["restart_limit"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["cinema"],
        ["dashboard", "--port", "0"],
        ["dashboard", "--port", "9" * 5000],
        ["dashboard", "--kernels", "0"],
        ["dashboard", "--kernels", "²"],
        ["dashboard", "--notebook", "../cinema"],
        ["dashboard", "--for", "children"],
        ["dashboard", "--notebooks", "/nope"],
        ["dashboard", "/nope"],
        ["dashboard", "--no-such"],
        ["lab", "--no-browser", "--no-such=1"],
        ["lab", "--no-browser", "/nope"],
        ["lab", "--port", "many"],
        ["lab", "--notebooks", "no/such"],
    ],
)
def test_bad_choices_exit_with_2_and_a_sentence(arguments, capsys, monkeypatch):
    monkeypatch.setattr("widgets.server.__main__.use_settings", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_dashboard_serves_its_notebook_and_nothing_else():
    shipped = paths.shipped_notebooks() / "dashboard.ipynb"
    notebook, *others = dashboard_arguments(shipped, 8123, no_browser=True)
    assert notebook == str(shipped)
    assert others == ["--port=8123", "--Voila.port_retries=0", "--no-browser"]


def test_another_notebook_is_a_page_too(monkeypatch):
    served = []
    monkeypatch.setattr("widgets.server.__main__._dashboard", lambda own, further: served.extend([*own, *further]))
    monkeypatch.setattr("widgets.server.__main__.use_settings", lambda: None)
    main(["dashboard", "--notebook", "kernels", "--no-browser"])
    main(["dashboard"])
    pages = [str(paths.shipped_notebooks() / f"{name}.ipynb") for name in ("kernels", "dashboard")]
    assert served == [pages[0], "--no-browser", pages[1]]


def test_options_of_jupyters_own_go_on_to_it(monkeypatch):
    given = []
    monkeypatch.setattr("widgets.server.__main__.use_settings", lambda: None)
    monkeypatch.setattr("widgets.server.dashboard.DashboardServer.launch_instance", given.extend)
    further = ["--debug", "--token", "secret", "--Voila.ip=::1"]
    main(["dashboard", "--kernels", "3", *further])
    assert given[1:] == ["--Kernels.most=3", *further]
    given.clear()
    main(["dashboard", "--kernels", "1"])
    assert given[1:] == ["--Kernels.most=1", "--VoilaConfiguration.default_pool_size=0"]  # none waits ahead


def test_the_browser_is_opened_at_the_address_itself(monkeypatch):
    """A file that leads there, which Voila opens, is another site's page."""
    opened = queue.Queue()
    monkeypatch.setattr("webbrowser.get", lambda name: SimpleNamespace(open=lambda *given: opened.put(given)))
    DashboardServer(port=8123, ip="127.0.0.1", webbrowser_open_new=2).launch_browser()
    assert opened.get(timeout=60) == ("http://127.0.0.1:8123/", 2)


def test_the_lab_listens_on_loopback_in_the_notebooks_folder():
    arguments = lab_arguments(None, None, no_browser=False)
    assert "--ServerApp.ip=127.0.0.1" in arguments
    assert f"--ServerApp.root_dir={paths.shipped_notebooks()}" in arguments
    assert len(arguments) == 2


def test_the_lab_works_in_another_folder_where_one_is_named(tmp_path):
    assert f"--ServerApp.root_dir={tmp_path}" in lab_arguments(tmp_path, None, no_browser=False)


def installed(tmp_path, monkeypatch) -> Path:
    package = tmp_path / "site" / "widgets"
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / "dashboard.ipynb").write_text("shipped")
    (package / "notebooks" / "what_if.ipynb").write_text("shipped")
    monkeypatch.setattr(paths, "_PACKAGE", package)
    return package


def test_an_installed_copy_finds_its_notebooks_and_never_overwrites_a_users(tmp_path, monkeypatch):
    package = installed(tmp_path, monkeypatch)
    folder = tmp_path / "home"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "what_if.ipynb").write_text("mine")
    monkeypatch.chdir(folder)
    assert paths.shipped_notebooks() == package / "notebooks"
    assert paths.notebooks_to_edit() == folder / "notebooks"
    texts = {path.name: path.read_text() for path in (folder / "notebooks").iterdir()}
    assert texts == {"dashboard.ipynb": "shipped", "what_if.ipynb": "mine"}


def test_missing_notebooks_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "widgets")
    with pytest.raises(WorkbenchError, match=r"dashboard\.ipynb"):
        paths.shipped_notebooks()


def test_the_settings_come_before_those_of_the_machine(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "theirs")
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    paths.use_settings()
    import os

    assert os.environ["JUPYTER_CONFIG_PATH"] == f"{paths.CONFIG}{os.pathsep}theirs"
    assert Path(os.environ["JUPYTER_PATH"], "nbconvert", "templates", "workbench", "index.html.j2").is_file()


def test_plotly_has_an_address_that_changes_with_its_version():
    import plotly

    ((address, _),) = bundle_handlers("/base/")
    assert address == f"/base/workbench/plotly/{plotly.__version__}.js"


class Watched(Kernels):
    """Kernels whose connections the test decides, and whose ends it writes down."""

    def __init__(self) -> None:
        self.connections = {"k": 0}
        self.ended: list[str] = []
        super().__init__()

    def list_kernel_ids(self) -> list[str]:
        return list(self.connections)

    def __len__(self) -> int:
        return len(self.connections)

    def __contains__(self, kernel_id: object) -> bool:
        return kernel_id in self.connections

    def kernel_model(self, kernel_id: str) -> dict:
        return {"connections": self.connections[kernel_id]}


@pytest.mark.parametrize(
    ("connected", "ended"),
    [
        ([0, 0], True),  # abandoned
        ([0, 1, 0], False),  # a page opened just after the first look, and closed just before the third
        ([0, 1, 0, 0], True),
        ([1, 1, 1], False),  # an open page
    ],
)
def test_a_kernel_is_ended_when_it_is_found_alone_twice_running(connected, ended, monkeypatch):
    kernels = Watched()

    async def end(self, kernel_id):
        self.ended.append(kernel_id)

    monkeypatch.setattr(Kernels.__mro__[1], "cull_kernel_if_idle", end)

    async def looks():
        for count in connected:
            kernels.connections["k"] = count
            await kernels.cull_kernel_if_idle("k")

    asyncio.run(looks())
    assert bool(kernels.ended) is ended


@pytest.mark.parametrize(("connected", "given_way"), [([0, 0], "1"), ([1, 0], "2"), ([1, 1], None)])
def test_where_there_is_no_room_the_page_that_was_left_first_gives_way(connected, given_way, monkeypatch):
    """Of kernels 1, 2, ..., each found alone once and now so or connected again."""
    kernels = Watched()
    kernels.most = len(connected)
    names = [str(number) for number in range(1, len(connected) + 1)]
    kernels.connections = dict.fromkeys(names, 0)

    async def end(self, kernel_id, **how):
        self.ended.append(kernel_id)
        del self.connections[kernel_id]

    monkeypatch.setattr(Watched, "shutdown_kernel", end)
    monkeypatch.setattr("widgets.server.kernels._RELOADED", 0.1)
    monkeypatch.setattr("widgets.server.kernels._AWAY", 0.0)

    async def ask():
        for name in names:
            await kernels.cull_kernel_if_idle(name)
        kernels.connections = dict(zip(names, connected, strict=True))
        await kernels.admit()

    with nullcontext() if given_way else pytest.raises(HTTPError, match="503"):
        asyncio.run(ask())
    assert kernels.ended == ([given_way] if given_way else [])


@pytest.mark.parametrize(
    ("free", "most", "running", "room"),
    [
        (8 * 2**30, 16, 15, True),
        (8 * 2**30, 16, 16, False),
        (2 * 2**30, 4, 3, True),
        (2 * 2**30, 4, 4, False),
        (100 * 2**20, 1, 0, True),  # somebody has to be let in
        (100 * 2**20, 1, 1, False),
    ],
)
def test_there_are_no_more_kernels_than_there_is_memory_for(free, most, running, room, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free))
    kernels = Watched()
    kernels.connections = dict.fromkeys(map(str, range(running)), 1)
    assert kernels.most == most
    with nullcontext() if room else pytest.raises(HTTPError, match="503"):
        asyncio.run(kernels.admit())


def test_a_pages_kernel_has_no_debugger_and_writes_no_history(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(widgets.__file__).parents[1]))
    asked = """
import sys
shell = get_ipython()
print(sys.modules["debugpy"], shell.kernel.kernel_info["supported_features"], shell.history_manager.enabled)
"""

    async def answer() -> str:
        kernels, said = Kernels(), []
        kernel = await kernels.start_kernel(kernel_name="python3")
        client = kernels.get_kernel(kernel).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            await client.execute_interactive(asked, output_hook=said.append, timeout=60)
        finally:
            client.stop_channels()
            await kernels.shutdown_kernel(kernel, now=True)
        return "".join(one["content"]["text"] for one in said if one["msg_type"] == "stream")

    told = asyncio.run(answer())
    assert told.startswith("None [")
    assert "debugger" not in told
    assert told.strip().endswith("False")
