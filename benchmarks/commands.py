"""The command `workbench bench`, an entry point of the group `workbench.commands`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.cli import File, print_rows, progress
from workbench.models import zoo


@click.group()
def bench() -> None:
    """Speed on this machine: ratios in one process, medians of many interleaved runs."""


@bench.command()
@click.option("--only", default="", help="Kernels or families, separated by commas; all by default.")
@click.option("--quick", is_flag=True, help="Only the rows that the README shows, on one thread: under a minute.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def kernels(only: str, quick: bool, as_json: bool) -> None:
    """Kernels beside what a user would pick instead, on this processor or the one that NUMBA_CPU_NAME names."""
    from benchmarks.opponents import limit_opponents

    limit_opponents()
    from benchmarks.kernel_page import page, short, title
    from benchmarks.kernels import KERNELS, QUICK_ROUNDS, machine, named, run

    chosen = named(_separated(only)) or KERNELS
    click.echo(f"Kernels made for {title({'machine': machine()})}.", err=True)
    result = run(
        (1,) if quick else (1, 2),
        lambda progress: click.echo(str(progress), err=True),
        kernels=chosen,
        quick=quick,
        rounds=QUICK_ROUNDS if quick else None,
    )
    click.echo(json.dumps(result, indent=2) if as_json else (short if quick else page)([result]), nl=as_json)


@bench.command("page")
@click.argument("files", nargs=-1, required=True, type=File())
@click.option("--short", "in_short", is_flag=True, help="The rows of the README in one table.")
@click.option("--markdown", type=File(), help="Write it to a file.")
def kernel_page(files: tuple[Path, ...], in_short: bool, markdown: Path | None) -> None:
    """What `bench kernels --json` printed into FILES as one Markdown page, a column for each processor."""
    from benchmarks.kernel_page import page, read, short

    text = (short if in_short else page)([read(file) for file in files])
    if markdown is None:
        click.echo(text, nl=False)
    else:
        markdown.write_text(text, encoding="utf-8")


@bench.command()
@click.option("--models", default="", help="Networks, separated by commas; three of the zoo by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", type=File(), help="Write a Markdown page, too.")
def coding(models: str, as_json: bool, markdown: Path | None) -> None:
    """Bytes that coders make of pruned networks, and how fast they are read."""
    for name in (names := _separated(models)):
        zoo.entry(name)
    from benchmarks.coding import page, run

    result = run(names, progress=lambda text: click.echo(text, err=True))
    if markdown is not None:
        markdown.write_text(page(result), encoding="utf-8")
    click.echo(json.dumps(result, indent=2) if as_json else page(result), nl=as_json)


@bench.command()
@click.option("--models", default="", help="Networks, separated by commas; all by default.")
@click.option("--surfaces", default="", help="Any of voila, lab, engine, scratch, resnet-50; all by default.")
@click.option("--moves", type=click.IntRange(1), help="Moves of each slider.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", type=File(), help="Write a Markdown page, too.")
def interaction(models: str, surfaces: str, moves: int | None, as_json: bool, markdown: Path | None) -> None:
    """How soon a move of a slider is answered, by the engine and on the page in Chromium."""
    for name in (names := _separated(models)):
        zoo.entry(name)  # a wrong name is known before torch is loaded
    from benchmarks.interaction import MOVES, SURFACES, page, run, table

    chosen = _separated(surfaces) or SURFACES
    for name in chosen:
        if name not in SURFACES:
            raise click.UsageError(f"There is no surface {name!r}; the known ones are: {', '.join(SURFACES)}.")
    result = run(names, chosen, moves or MOVES, progress=lambda text: click.echo(text, err=True))
    if markdown is not None:
        markdown.write_text(page(result), encoding="utf-8")
    click.echo(json.dumps(result, indent=2) if as_json else table(result))


@bench.command()
@click.option(
    "--recipes", type=click.IntRange(1), default=500, show_default=True, help="How many random recipes to try."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def coverage(recipes: int, as_json: bool) -> None:
    """How often the running interval after 500 images holds the accuracy on all, and how wide it is."""
    from benchmarks.coverage import coverage as study
    from benchmarks.coverage import summary

    found = summary(study(recipes, progress=progress))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    print_rows([{"figure": name, "value": f"{value:.4g}"} for name, value in found.items()], ("figure", "value"), False)


@bench.command()
@click.option("--visitors", "count", type=click.IntRange(1), default=20, show_default=True, help="Pages at once.")
@click.option("--moves", type=click.IntRange(1), default=30, show_default=True, help="Moves of each visitor.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def visitors(count: int, moves: int, as_json: bool) -> None:
    """How soon moves are answered where many pages of one dashboard are open, and what an idle kernel holds."""
    from benchmarks.visitors import run

    found = run(count, moves, progress=lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    costs, held = found["costs"], found["idle_kernel"]
    rows = [
        {"figure": "visitors, moves", "value": f"{found['visitors']}, {found['moves']}"},
        {"figure": "costs of a move", "value": f"{1e3 * costs['median']:.0f} ms, p95 {1e3 * costs['p95']:.0f} ms"},
        {"figure": "errors", "value": str(len(found["errors"]))},
        {"figure": "largest idle kernel", "value": "not known" if held is None else f"{held / 2**20:.0f} MiB"},
    ]
    print_rows(rows, ("figure", "value"), False)


@bench.command()
@click.option("--models", default="", help="Networks, separated by commas.")
@click.option("--markdown", type=File(), help="Write it to a file.")
def pruning(models: str, markdown: Path | None) -> None:
    """Every pruning criterion at equal sparsity, before and after making up for it.

    Takes half an hour a network; interrupted, it writes what is measured by then.
    """
    for name in (names := _separated(models)):
        zoo.entry(name)
    from benchmarks.kernels import machine
    from benchmarks.pruning import MODELS, page, run

    text = page(run(names or MODELS, progress=lambda text: click.echo(text, err=True)), machine())
    if markdown is None:
        click.echo(text, nl=False)
    else:
        markdown.write_text(text, encoding="utf-8")


@bench.command()
@click.option("--markdown", type=File(), help="Write it to a file.")
def precisions(markdown: Path | None) -> None:
    """Energy against test error on MNIST, three networks with weights of seven precisions each."""
    from benchmarks.kernels import machine
    from benchmarks.precisions import page, run

    text = page(run(progress=lambda text: click.echo(text, err=True)), machine())
    if markdown is None:
        click.echo(text, nl=False)
    else:
        markdown.write_text(text, encoding="utf-8")


@bench.command()
def overfitting() -> None:
    """Whether fewer weights, fewer bits, or dropout keep a network from learning 1,000 images by heart; 12 minutes."""
    from benchmarks.overfitting import WRONG, page, pruning, rounding, standing_out

    def tell(text: str) -> None:
        click.echo(text, err=True)

    pruned, rounded = pruning(progress=tell), rounding(progress=tell)
    wrong = pruning(decays=(), wrong=WRONG, progress=tell)
    click.echo(page(pruned, wrong, rounded, standing_out(progress=tell)), nl=False)


@bench.command()
@click.argument("models", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def breakeven(models: tuple[str, ...], as_json: bool) -> None:
    """Sparsity and rank at which each shape of MODELS' layers (all networks by default) begins to gain here."""
    for name in models:
        zoo.entry(name)  # a wrong name is known before torch is loaded
    from benchmarks.breakeven import run

    result = run(models, progress=lambda case: click.echo(case, err=True))
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    rows = [
        {"matrix": f"{row['shape'][0]}×{row['shape'][1]}", "columns": row["columns"]}
        | {f"zeros, {name}": "never" if zeros is None else f"{zeros:.0%}" for name, zeros in row["sparsity"].items()}
        | {"rank": row["rank"], "by count": row["rank_by_count"], "layers": ", ".join(row["layers"])}
        for row in result["rows"]
    ]
    headings = {column: column for column in rows[0]}
    print_rows([headings, *rows], headings, False)


def _separated(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
