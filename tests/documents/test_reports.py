"""Reports as HTML and PDF: whole, self-contained, and deaf to what stands in a name."""

import dataclasses
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

import workbench
from widgets.documents import report_html, report_pdf
from widgets.documents.commands import report as command
from widgets.documents.content import Circumstances, Table, document
from workbench.machine import processor, versions

MADE = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>&\u202e\N{SNOWMAN}"


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_a_page_needs_nothing_from_anywhere(report):
    page = Page(report_html.write(report, Circumstances(), MADE))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "form", "object"})
    assert not any(
        name in ("src", "href", "action") or name.startswith("on") for _, given in page.tags for name in given
    )
    assert "url(" not in page.text and "@import" not in page.text


def test_it_says_what_is_known(report):
    text = Page(report_html.write(report, Circumstances(), MADE)).text
    now = report.compressed
    assert f"{int(now.size.value):,}\u00a0bytes" in text and f"{100 * now.accuracy.value:.2f}\u00a0%" in text
    assert all(row.name in text for row in report.layers)
    assert "2026-11-30 12:00 UTC" in text and processor() in text
    assert all(f"{name} {version}" in text for name, version in versions().items())
    assert {"simulated", "on disk", "modelled"} <= set(re.findall(r"simulated|on disk|modelled", text))
    assert report.recipe["digest"][:16] in text


def test_the_recipe_in_it_is_the_recipe(report):
    page = report_html.write(report, Circumstances(), MADE)
    shown = Page(re.search(r"<pre>.*?</pre>", page, re.DOTALL)[0]).text
    assert workbench.Recipe.from_json(shown).digest == report.recipe["digest"]


def test_every_figure_of_the_report_is_a_row(report):
    (table,) = (
        block
        for section in document(report, Circumstances(), MADE).sections
        if section.title == "Every figure"
        for block in section.blocks
        if isinstance(block, Table)
    )
    titles = [figure.metric.title for figure in report.compressed.costs.values()]
    assert [row[0] for row in table.rows] == ["Accuracy", *titles]
    assert all(len(row) == len(table.head) for row in table.rows)


def test_a_hostile_name_is_text(report):
    hostile = dataclasses.replace(report, model=HOSTILE)
    page = report_html.write(hostile, Circumstances(), MADE)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert report_pdf.write(hostile, Circumstances(), MADE).startswith(b"%PDF-")


def test_a_pdf_has_pages_and_a_title(report):
    content = report_pdf.write(report, Circumstances(), MADE)
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    pages = len(re.findall(rb"/Type /Page\b", content))
    assert 2 <= pages <= 4 and len(content) < 300_000


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_the_command_writes_it(kind, tmp_path):
    path = tmp_path / f"report.{kind}"
    ran = CliRunner().invoke(
        command, ["lenet-300-100/mnist", "--bits", "4", "--images", "200", "--to", str(path)], catch_exceptions=False
    )
    assert ran.exit_code == 0 and path.stat().st_size > 5_000
    if kind == "html":
        assert "Latency" in path.read_text(encoding="utf-8")


def test_the_command_knows_two_kinds(tmp_path):
    with pytest.raises(Exception, match="neither"):
        CliRunner().invoke(
            command, ["lenet-300-100/mnist", "--to", str(tmp_path / "report.txt")], catch_exceptions=False
        )
    assert list(tmp_path.iterdir()) == []


def test_json_of_the_report_is_not_touched(report):
    assert json.dumps(report.to_dict())
