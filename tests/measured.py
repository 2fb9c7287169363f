"""`pytest -p tests.measured -m slow --measured-to PAGE` keeps in a page what the slow tests found: a row a test.

A test hands in a figure by pytest's `record_property(name, value)`. Rows of tests that this run left out stay.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.kernels import machine

_TITLE = """# What the slow tests found

Written by `make test-slow`; a row stands as the last run of its test left it. Accuracies are of all test images.

| test | result | figures | minutes | processor |
|---|---|---|---|---|
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measured-to", type=Path, metavar="PAGE", help="Keep the figures of the tests in this page.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--measured-to"):
        config.pluginmanager.register(_Page(config.getoption("--measured-to")), "measured")


class _Page:
    def __init__(self, path: Path) -> None:
        self._path = path
        kept = path.read_text().splitlines() if path.exists() else []
        self._rows = dict(_row(line) for line in kept if line.startswith("| `"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        figures = ", ".join(f"{name} {value}" for name, value in report.user_properties)
        test = report.nodeid.removeprefix("tests/")
        cells = (f"`{test}`", report.outcome, figures, f"{report.duration / 60:.1f}", str(machine()["processor"]))
        self._rows[cells[0]] = "| " + " | ".join(cells) + " |"

    def pytest_sessionfinish(self) -> None:
        rows = [self._rows[test] for test in sorted(self._rows)]
        self._path.write_text(_TITLE + "\n".join(rows) + "\n")


def _row(line: str) -> tuple[str, str]:
    found = re.match(r"\| (`[^`]+`) \|", line)
    assert found is not None, line
    return found[1], line
