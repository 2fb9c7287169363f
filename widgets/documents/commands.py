"""The commands `workbench report` and `workbench offline`, entry points of the group `workbench.commands`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.cli import DEFAULT_DEVICE, File, choices, compressed, progress, share_line
from workbench.deployment.usage import Usage
from workbench.errors import WorkbenchError
from workbench.files import replace
from workbench.names import sentence


def _usage(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how the network would be used."""
    plain = Usage()
    for option in (
        click.option("--price", type=float, default=plain.price, show_default=True, help="Euros per kilowatt-hour."),
        click.option(
            "--per-day", type=float, default=plain.per_day, show_default=True, help="Inferences a day on the battery."
        ),
        click.option("--battery", type=float, default=plain.watt_hours, show_default=True, help="Watt-hours it holds."),
    ):
        command = option(command)
    return command


@click.command()
@choices
@click.option("--device", default=DEFAULT_DEVICE, show_default=True, help="Device whose energy is modelled.")
@click.option("--images", type=int, default=None, help="Count accuracy on the first N test images only.")
@_usage
@click.option("--to", "path", type=File(), required=True, help="File to write: .html or .pdf.")
def report(
    model: str, device: str, images: int | None, battery: float, per_day: float, price: float, path: Path, **chosen: Any
) -> None:
    """Compress MODEL, measure it, and write all that is known of it as a page (.html) or a PDF (.pdf)."""
    from widgets.documents import report_html, report_pdf
    from widgets.documents.content import Circumstances
    from workbench.engine.assessment import assess

    if path.suffix not in (".html", ".pdf"):
        raise WorkbenchError(f"A report is written as .html or .pdf, and {path.name} is neither.")
    around = Circumstances(Usage(battery, per_day, price))
    found = assess(compressed(model, **chosen), device, images, latency=True, progress=progress)
    content = report_pdf.write(found, around) if path.suffix == ".pdf" else report_html.write(found, around).encode()
    _write(path, content)


@click.command()
@click.argument("model")
@click.option("--device", default=DEFAULT_DEVICE, show_default=True, help="Device whose energy is modelled.")
@click.option("--images", type=int, default=None, help="Count accuracy on the first N test images only.")
@_usage
@click.option("--to", "path", type=File(), required=True, help="File to write (.html).")
def offline(
    model: str, device: str, images: int | None, battery: float, per_day: float, price: float, path: Path
) -> None:
    """Write one HTML file with live sliders over points of MODEL that were all measured; it needs no server.

    Takes a minute or two. The named choices are those that come with the workbench, or are found on validation images.
    """
    from workbench.models import zoo

    zoo.entry(model)
    around_usage = Usage(battery, per_day, price)
    from widgets.documents import offline as document
    from widgets.documents.content import Circumstances
    from workbench.network.model import load
    from workbench.search.shipped import named
    from workbench.search.sweep import sweep

    network = load(model)
    if network.blank:
        raise WorkbenchError(f"{model} has no weights here, so there is nothing to measure for an offline page.")
    found = sweep(network, document.Stops().cases(), device, images, progress=share_line("measuring points"))
    if not found.complete:
        raise click.Abort
    chosen = named(network, progress=share_line("finding the choices"))
    _write(path, document.write(found.trials, chosen, Circumstances(around_usage)).encode())


def _write(path: Path, content: bytes) -> None:
    replace(path, [content])
    click.echo(sentence(f"Wrote {path} ({len(content):,} bytes)."))
