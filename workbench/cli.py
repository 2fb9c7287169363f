"""The `workbench` command. Bad choices exit with 2 and one sentence."""

from __future__ import annotations

import json
import runpy
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from workbench.devices.device import Device
from workbench.errors import ModelError, RecipeError, WorkbenchError, reason
from workbench.kernels.compiler.watch import Compiling, observe
from workbench.method import AXES, METHODS, mode_of
from workbench.models import zoo
from workbench.names import sentence
from workbench.recipe import Recipe, Step, method_named, no_method
from workbench.shelf import COMMANDS

if TYPE_CHECKING:
    from workbench.compression.compressed import CompressedModel
    from workbench.method import Method, Progress
    from workbench.report.report import Report

DEFAULT_DEVICE = "horowitz-45nm"
_LARGEST_RECIPE = 10**7  # bytes


class _Sentences(click.Group):
    """Turns an error of the workbench into one sentence and exit code 2.

    Its commands are those written here and those that packages built on the workbench bring, the pages and the
    benchmarks among them: entry points of the group `workbench.commands`, loaded when they are called.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *entry_points(group=COMMANDS).names})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        own = super().get_command(context, name)
        brought = () if own else entry_points(group=COMMANDS, name=name)
        return next((one.load() for one in brought), own)

    def invoke(self, context: click.Context) -> Any:
        try:
            with _compiling_said():
                return super().invoke(context)
        except click.UsageError as error:
            error.message = sentence(error.message)  # type: ignore[misc]  # what stands in it may be long
            raise
        except WorkbenchError as error:
            raise click.UsageError(str(error)) from error
        except BrokenPipeError:  # whoever reads has seen enough; click ends quietly
            raise
        except OSError as error:
            named = "" if error.filename is None else f": {error.filename}"
            raise click.UsageError(sentence(f"{error.strerror}{named}")) from error


@contextmanager
def _compiling_said() -> Iterator[None]:
    """Inside the block, kernels are compiled with a word: one line that rewrites itself, in a file the first alone."""
    terminal, begun, said = sys.stderr.isatty(), perf_counter(), False

    def say(compiling: Compiling) -> None:
        nonlocal said
        if not terminal:
            if not said:
                click.echo("Compiling kernels, once on this machine.", err=True)
        elif compiling.kernel is None:
            click.echo("\r\x1b[K", nl=False, err=True)
        else:
            ready = f"{compiling.ready} ready after {perf_counter() - begun:.0f} s"
            click.echo(
                f"\rCompiling kernels, once on this machine: {ready}, now {compiling.kernel} …", nl=False, err=True
            )
        said = True

    end = observe(say)
    try:
        yield
    finally:
        end()


class File(click.Path):
    """A file's name, which may not be empty: it would be that of the folder."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value in ("", Path()):
            self.fail("a file's name cannot be empty.", parameter, context)
        return super().convert(value, parameter, context)


@click.group(cls=_Sentences)
@click.version_option(package_name="compression-workbench")
def main() -> None:
    """Pick a neural network, choose sparsity, bit-width and rank, and see what it costs and what it buys."""


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:
    """The networks that come with the workbench; without weights those that are named by their architecture alone."""
    entries = [zoo.entry(name) for name in zoo.listed()]
    rows = [
        {
            "name": one.name,
            "architecture": one.architecture,
            "data": one.data,
            "paper": one.paper,
            "summary": one.summary,
        }
        for one in entries
    ]
    print_rows(rows, ("name", "summary", "paper"), as_json)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the settings.")
def methods(names: tuple[str, ...], as_json: bool) -> None:
    """The compression methods, or those of NAMES; with their settings as JSON."""
    for name in names:
        if name not in METHODS:
            raise click.UsageError(no_method(name))
    if not as_json:
        rows = [{"name": name, **METHODS.facts(name)} for name in names or METHODS]
        print_rows([row | {"mode": mode_of(row)} for row in rows], ("name", "title", "mode"), False)
        return
    rows = [
        {
            "name": name,
            "title": method.title,
            "catalogue": list(method.catalogue),
            "paper": method.paper,
            "mode": method.mode,
            "faithful": method.faithful,
            "settings": {
                field: {
                    "help": setting.help, "unit": setting.unit, "low": setting.low, "high": setting.high,
                    "choices": list(setting.choices), "slider": setting.axis,
                }
                for field, setting in method.settings().items()
            },
        }
        for name, method in ((name, METHODS[name]) for name in names or METHODS)
    ]  # fmt: skip
    print_rows(rows, (), True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def catalogue(as_json: bool) -> None:
    """Every method, metric and guideline of the two surveys, and which of them are there."""
    from workbench.catalogue.catalogue import rows

    print_rows(rows(), ("number", "status", "title", "source"), as_json)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def devices(as_json: bool) -> None:
    """The devices whose energy can be modelled."""
    found = [Device.load(name) for name in Device.names()]
    rows = [{"name": one.name, "title": one.title, "summary": one.summary, "note": one.note} for one in found]
    print_rows(rows, ("name", "title"), as_json)


def choices(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how MODEL is to be compressed."""
    for option in reversed(
        (
            click.argument("model"),
            click.option("--sparsity", type=float, help="Share of the weights set to zero, 0 to 1."),
            click.option("--bits", type=int, help="Width of a stored weight, 1 to 8, or 32 for none."),
            click.option("--rank", type=float, help="Share of the singular values kept, 0 to 1, 1 for no factors."),
            *(
                click.option(f"--{name}-method", default=None, help=f"Method of --{name} (default {axis.method}).")
                for name, axis in AXES.items()
            ),
            click.option(
                "--step",
                "steps",
                multiple=True,
                metavar="METHOD:SETTING=VALUE,...",
                help="A step of its own; several are taken in their order (prune.magnitude:sparsity=0.9,scope=layer).",
            ),
            click.option("--recipe", "recipe_file", type=File(), help="Recipe JSON file."),
        )
    ):
        command = option(command)
    return command


@main.command()
@choices
@click.option("--device", default=DEFAULT_DEVICE, show_default=True, help="Device whose energy is modelled.")
@click.option("--images", type=int, default=None, help="Count accuracy on the first N test images only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def measure(model: str, device: str, images: int | None, as_json: bool, **chosen: Any) -> None:
    """Compress MODEL and print size, accuracy, operations, energy and latency beside the original's."""
    from workbench.engine.assessment import assess

    _print_report(assess(compressed(model, **chosen), device, images, latency=True, progress=progress), as_json)


@main.command()
@choices
@click.option("--images", type=int, default=None, help="Count accuracy on the first N test images only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def train(model: str, images: int | None, as_json: bool, **chosen: Any) -> None:
    """Train what the recipe's trained steps ask for, keep the results, and print the report that they give.

    Ctrl-C stops the training and keeps the best so far. A result is found again wherever the same recipe is used.
    """
    recipe = _recipe(**chosen)
    zoo.entry(model)
    from workbench.engine.assessment import assess
    from workbench.engine.training import train as run
    from workbench.network.model import load

    with _stopping() as stopped:
        trained = run(load(model), recipe, progress=_training, cancelled=stopped)
    _print_report(assess(trained, images=images, progress=progress), as_json)


@main.command()
@click.argument("model")
@click.option("--size", type=click.IntRange(min=1), required=True, help="Bytes that the whole file may take.")
@click.option(
    "--images", type=click.IntRange(min=1), default=None, help="Measure on the first N validation images only."
)
@click.option("--to", "path", type=File(), default=None, help="File to write the recipe to, for --recipe.")
def bits(model: str, size: int, images: int | None, path: Path | None) -> None:
    """Give each layer of MODEL bits of its own: the least rise of the loss whose file takes at most SIZE bytes."""
    zoo.entry(model)
    from workbench.network.model import load
    from workbench.search.mixed_precision import measured, mixed_precision

    network = load(model)
    with _stopping() as stopped:
        choices = measured(
            network, images=images, cancelled=stopped, progress=lambda share: click.echo(f"{share:4.0%}", err=True)
        )
    found = mixed_precision(network, size, choices)
    for name, width in found.widths.items():
        click.echo(f"{name}: {width.bits} bits")
    click.echo(f"The file takes {found.size:,} bytes.")
    if path is not None:
        path.write_text(found.recipe.to_json(), encoding="utf-8")
        click.echo(sentence(f"Wrote {path}."))


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, which does nothing else meanwhile; pressed again it does what it always does."""
    pressed = Event()

    def press(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _training(title: str, found: Progress) -> None:
    click.echo(
        f"{title}: {found.share:4.0%}, loss {found.loss:.4f}, validation {found.score:.2%}, {found.left:.0f} s left",
        err=True,
    )


@main.command()
@choices
@click.option("--to", "path", type=File(), required=True, help="File to write.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(("cwb", "onnx")),
    default="cwb",
    show_default=True,
    help="The packed file, which is the small one, or ONNX for other runtimes and viewers.",
)
def export(model: str, path: Path, kind: str, **chosen: Any) -> None:
    """Compress MODEL and write the packed file (.cwb), or the network as ONNX."""
    network = compressed(model, **chosen)
    if kind == "onnx":
        from workbench.exporters import onnx

        written = onnx.write(network, path)
    else:
        written = network.save(path)
    click.echo(sentence(f"Wrote {written} ({written.stat().st_size:,} bytes)."))


@main.command()
@click.argument("file", type=File())
@click.option(
    "--module", metavar="FILE.py:NAME", help="Your own network: a torch module, or what makes one, in a file of yours."
)
@click.option(
    "--data", metavar="FILE.py:NAME", help="Your own test images: (images, labels) or a data set, in a file of yours."
)
@click.option("--device", default=DEFAULT_DEVICE, show_default=True, help="Device whose energy is modelled.")
@click.option("--images", type=int, default=None, help="Count accuracy on the first N test images only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(file: Path, module: str | None, data: str | None, device: str, images: int | None, as_json: bool) -> None:
    """Rebuild the network from the bytes of a packed FILE alone and print the same figures as `measure`.

    A network of your own is rebuilt with --module, from whatever weights; that file is run, as Python runs it.
    """
    from torch import nn

    from workbench.compression.compressed import read
    from workbench.data.datasets import Dataset
    from workbench.engine.assessment import assess

    network = None if module is None else _named(module)
    if network is not None and not isinstance(network, nn.Module):
        network = network() if callable(network) else network
        if not isinstance(network, nn.Module):
            raise ModelError(f"{module} is no torch module, and makes none.")
    found = read(file, network, None if data is None else Dataset.of(_named(data)))
    _print_report(assess(found, device, images, latency=True, progress=progress), as_json)


def _named(text: str) -> Any:
    """What FILE.py:NAME names. Raises WorkbenchError where the file cannot be run, or has no such name."""
    file, colon, name = text.rpartition(":")
    if not (colon and file and name):
        raise WorkbenchError(f"{text!r} is no FILE.py:NAME.")
    try:
        found = runpy.run_path(file)
    except Exception as error:  # of whatever its author wrote
        raise WorkbenchError(f"{file} cannot be run: {reason(error)}.") from error
    if name not in found:
        raise WorkbenchError(f"{file} defines no {name!r}.")
    return found[name]


def compressed(model: str, **chosen: Any) -> CompressedModel:
    recipe = _recipe(**chosen)
    zoo.entry(model)  # a wrong name is known before torch is loaded
    from workbench.compression.compressed import compress
    from workbench.network.model import load

    return compress(load(model), recipe)


def _recipe(
    sparsity: float | None,
    bits: int | None,
    rank: float | None,
    recipe_file: Path | None,
    steps: tuple[str, ...],
    **methods: str | None,
) -> Recipe:
    chosen = {axis: methods[f"{axis}_method"] for axis in AXES}
    sliders = any(choice is not None for choice in (sparsity, bits, rank, *chosen.values()))
    if sum((recipe_file is not None, bool(steps), sliders)) > 1:
        raise click.UsageError("Give either --recipe, or --step, or the sliders.")
    if recipe_file is not None:
        return Recipe.from_json(_text(recipe_file))
    if steps:
        return Recipe(tuple(Step(_method(text)) for text in steps))
    return Recipe.sliders(
        AXES["sparsity"].off if sparsity is None else sparsity,
        int(AXES["bits"].off) if bits is None else bits,
        AXES["rank"].off if rank is None else rank,
        methods={axis: method for axis, method in chosen.items() if method is not None},
    )


def _text(file: Path) -> str:
    """Of a recipe's file. Raises RecipeError for one that is no text, or has no end."""
    with file.open("rb") as reading:
        content = reading.read(_LARGEST_RECIPE + 1)
    if len(content) > _LARGEST_RECIPE:
        raise RecipeError(f"{file} is larger than {_LARGEST_RECIPE:,} bytes, so it is no recipe.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RecipeError(f"{file} is not text, so it is no recipe.") from None


def _method(text: str) -> Method:
    """The method that METHOD:SETTING=VALUE,... names. Raises RecipeError naming the method or setting that is wrong."""
    name, _, listed = text.partition(":")
    pairs = [pair.partition("=") for pair in listed.split(",") if pair.strip()]
    for setting, equals, _ in pairs:
        if not equals:
            raise RecipeError(f"In --step {text}: {setting!r} is no SETTING=VALUE.")
    return method_named(name.strip(), {setting.strip(): _typed(value.strip()) for setting, _, value in pairs})


def _typed(value: str) -> int | float | str:
    """A number where it is one; what it may be is the setting's to check."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def share_line(title: str) -> Callable[[float], None]:
    """Of a share that grows to 1: a line that rewrites itself, for a person at a terminal only."""

    def show(share: float) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{title} {share:4.0%}" + ("\n" if share >= 1 else ""), nl=False, err=True)

    return show


progress = share_line("running test images")


def _print_report(report: Report, as_json: bool) -> None:
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.table())


def print_rows(rows: list[dict[str, Any]], columns: Iterable[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    columns = tuple(columns)
    widths = [max(len(str(row[column])) for row in rows) for column in columns]
    for row in rows:
        cells = "  ".join(str(row[column]).ljust(width) for column, width in zip(columns, widths, strict=True))
        click.echo(sentence(cells.rstrip()))
