"""Real Voila and real JupyterLab, as the interaction benchmark runs them, each in a folder of the test's own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from benchmarks import servers
from benchmarks.browser import open_dashboard

ROOT = Path(__file__).parents[2]
PATIENCE = 1000 * servers.PATIENCE  # milliseconds


@dataclass(frozen=True)
class FrontEnd:
    """A running server that can show notebooks. folder: where it runs."""

    server: servers.Server
    folder: Path

    @property
    def name(self) -> str:
        """ "voila" or "lab"."""
        return self.server.surface

    @property
    def address(self) -> str:
        return self.server.address

    def open(self, page: Page, notebook: str = servers.NOTEBOOK) -> None:
        """Go to the notebook and have it run; the panel is on the page afterwards."""
        open_dashboard(page, self.server, notebook)

    def notebook(self, name: str, source: str) -> str:
        """Write a notebook whose first cell is `source`; its file's name."""
        content = json.loads((self.folder / servers.NOTEBOOK).read_text())
        content["cells"][0]["source"] = source
        (self.folder / name).write_text(json.dumps(content))
        return name


@contextmanager
def serve(name: str, folder: Path) -> Iterator[FrontEnd]:
    """`workbench dashboard` or `workbench lab`, ended with its kernels at the end. folder: where it runs and logs."""
    with servers.serving(name, folder) as running:
        yield FrontEnd(running, folder)
