"""Thirty names that would be more than text if a page let them, in every view of both front ends."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks import servers
from tests.browser.conftest import Traffic
from tests.browser.front_ends import PATIENCE, ROOT, FrontEnd
from tests.browser.panel_page import PanelPage
from workbench.names import printable

NAMES = [
    "<img src=x onerror='harmed=1'>",
    '"><img src=x onerror=harmed=1>',
    "<script>harmed=1</script>",
    "</script><script>harmed=1</script>",
    "</style><script>harmed=1</script>",
    "<svg onload=harmed=1>",
    "<iframe srcdoc='<script>parent,harmed=1</script>'>",
    "<a href='javascript:harmed=1'>a</a>",
    "<b>bold</b><br><sub>low</sub>",  # which Plotly would draw
    "<!--",
    "]]>",
    "&lt;img src=x&gt;&amp;&#60;b&#62;",
    r"\u003cimg src=x onerror=harmed=1\u003e",
    r"\x3cscript\x3eharmed=1\x3c/script\x3e",
    "javascript:harmed=1",
    "';harmed=1//",
    '";harmed=1//',
    "`${harmed=1}`",
    "{{harmed=1}}",
    "{% raw %}",
    "%(harmed)s %s %n",
    "url(http://elsewhere/x)",
    "}*{background:url(http://elsewhere/x)}",
    "__proto__",
    "constructor",
    "toString",
    "null",
    "n" * 300,
    "模型 Ζωή \N{GRINNING FACE}" * 6,
    "$\\href{http://elsewhere}{x}$",
]
CELL = f"""
import torch, workbench
from widgets import Dashboard, KernelBenchmark
names = {NAMES!r}
torch.manual_seed(0)
module = torch.nn.Sequential()
for name in names:
    module.add_module(name, torch.nn.Linear(4, 4))
    module.get_submodule(name).register_buffer(name, torch.ones(2))
images = torch.randn(200, 4)
answers = module(images).argmax(1).numpy()
data = workbench.Dataset.from_arrays(names[0], test=(images.numpy(), answers), classes=names[:4])
session = workbench.Session(workbench.Model.from_module(module, images[:1], data, names[2]))
row = {{"kernel": names[0], "case": names[1], "threads": 1, "seconds": 1e-3, "limit_share": 0.5}}
rows = [{{**row, "kernel": name, "opponents": {{name: 4e-3, "F.linear": 5e-4}}}} for name in names if len(name) < 80]
from IPython.display import display
display(Dashboard(session), KernelBenchmark({{"machine": {{"processor": names[0]}}, "rows": rows}}))
"""


@contextmanager
def opened(surface: str, browser: Browser, folder: Path) -> Iterator[tuple[Page, Traffic]]:
    page = browser.new_page()
    traffic = Traffic(page)
    page.set_default_timeout(PATIENCE)
    content = json.loads((ROOT / "notebooks" / "dashboard.ipynb").read_text())
    content["cells"][0]["source"] = CELL
    (folder / "own.ipynb").write_text(json.dumps(content))
    further = ["--notebook", "own.ipynb"] if surface == "voila" else []
    with servers.serving(surface, folder, further) as server:
        front_end = FrontEnd(server, folder)
        front_end.open(page, front_end.notebook("hostile.ipynb", CELL) if surface == "lab" else servers.NOTEBOOK)
        yield page, traffic
        page.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("surface", servers.SURFACES)
def test_names_are_text_and_nothing_more(surface: str, browser: Browser, tmp_path: Path) -> None:
    with opened(surface, browser, tmp_path) as (page, traffic):
        panel = PanelPage(page)
        panel.settle()
        expect(panel.root.get_by_label("Network")).to_have_value(NAMES[2])
        shown = panel.root.locator("tr[data-layer] .cwb-layer-name > span:first-child")
        assert [" ".join(name.split()) for name in shown.all_inner_texts()] == [printable(name) for name in NAMES]
        for adjust in panel.root.get_by_role("button", name="Adjust layer").all():
            adjust.click()
        panel.type_into_slider("Bits", "ArrowRight", "ArrowRight")
        panel.settle()
        panel.root.get_by_role("button", name="Measure latency").click()
        expect(panel.root.locator("tr[data-layer] [data-cell=latency]").first).to_contain_text("s", timeout=PATIENCE)
        panel.settle()
        panel.root.locator(".cwb-plot").hover()
        benchmark = page.get_by_role("group", name="Kernel benchmark")
        expect(benchmark.get_by_role("img").first).to_be_attached(timeout=PATIENCE)
        for root in (panel.root, benchmark):
            assert root.locator("img, script, iframe, a[href^=javascript], b, br").count() == 0
        assert page.evaluate("() => window.harmed") is None
        assert traffic.left_the_machine() == []
        assert traffic.errors == []
