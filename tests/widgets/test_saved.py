"""A saved notebook shows the figures where the dashboard was, without a kernel and without any script."""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from widgets.draw.panel import Panel
from widgets.views.saved import saved
from widgets.views.tiles import tiles

CELLS = (
    "import workbench\nfrom widgets import Dashboard\n"
    "session = workbench.Session(workbench.load('lenet-300-100/mnist'), images=500)\npage = Dashboard(session)\npage",
    "import time\nsession.update(recipe=workbench.Recipe.sliders(bits=4))\nsession.wait(60)\ntime.sleep(3)",
)


def test_every_tile_is_a_row(squeezed):
    html = saved(squeezed)
    for tile in tiles(squeezed):
        assert f'<th scope="row">{tile["label"]}</th><td>{tile["value"]}</td><td>{tile["change"]}</td>' in html
    assert "lenet-300-100/mnist, sparsity 50" in html
    assert not re.search(r"<script|<style|on\w+=|src=", html)


def test_it_is_hidden_while_the_page_is_live():
    assert re.search(r"\.cwb-saved \{\s*display: none;", Panel._css)


def test_a_notebook_that_was_run_and_saved_shows_the_last_figures(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    html, _ = HTMLExporter().from_notebook_node(notebook)
    (table,) = re.findall(r'<div class="cwb-saved">.*?</div>', html)
    assert "lenet-300-100/mnist, 4 bits" in table
    assert table.count("on disk") == 1
    kept = [
        output["data"]["text/plain"] for output in notebook.cells[0].outputs if "text/html" in output.get("data", {})
    ]
    assert len(kept) == 1 and "accuracy (%)" in kept[0]
