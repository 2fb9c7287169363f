"""Train the ladders that come with the workbench: `python -m workbench.engine.ladders NETWORK [LADDER ...]`.

Each rung is trained by the code that trains a session's steps, on the training images in the repository, judged by
validation images. Its weights are rounded to as few bits as these images hardly notice; the test images are read once,
at its end, by what the file holds then. It is written with its log and entered into the index (see
`workbench.compression.ladders`) before the next is begun, and one that is there is not trained again, so that whoever
ends this loses one rung at most.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import click
import torch

from workbench.compression import ladders
from workbench.data.split import SplitName
from workbench.engine.training import train
from workbench.errors import WorkbenchError
from workbench.exporters.packed import write
from workbench.files import replace
from workbench.importers.packed import read
from workbench.method import METHODS, Layerwise, Method, Progress
from workbench.models import zoo
from workbench.network.encoded import EncodedModel
from workbench.network.model import Model, load
from workbench.network.state import Forms, State
from workbench.recipe import Recipe, Step
from workbench.store import Store
from workbench.train.loop import accuracy
from workbench.weights.coders import CODERS
from workbench.weights.levels.floating_point import FloatingPoint

SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
BITS = (8, 4, 3, 2, 1)
TERMS = (2, 1)  # powers of two that a weight is the sum of
STRENGTHS = (0.002, 0.005, 0.01, 0.02)  # of a group lasso, from which the share that goes follows
CEILING = 12_000_000  # bytes of all that is shipped
COST = 0.001  # what rounding takes off the score on validation images is less


def _method(name: str, **settings: Any) -> Method:
    return METHODS[name](**settings)


# Of the training between two cuts, where so little is left that the methods' own settings fail.
_LONGER: dict[str, Any] = {"epochs": 6, "learning_rate": 0.003}


def _longer(share: float) -> dict[str, Any]:
    """Settings for a ladder of channels."""
    return _LONGER if share >= 0.8 else {}


def _in_turns(criterion: str, share: float) -> Method:
    """The loop of pruning up to that share in equal turns, whatever the accuracy."""
    hundredths = round(100 * share)
    turns = 7 if hundredths % 5 else 5
    return _method(
        "prune.loop", criterion=criterion, share=hundredths / turns / 100, turns=turns, budget=100.0, **_longer(share)
    )


LADDERS: dict[str, Callable[[float], Method]] = {
    "magnitude": lambda share: _method("prune.retrained-magnitude", sparsity=share),
    "magnitude-in-layers": lambda share: _method("prune.retrained-magnitude", sparsity=share, scope="layer", **_LONGER),
    "taylor-filter": lambda share: _method("prune.retrained-taylor", share=share, **_longer(share)),
    "l1-filter": lambda share: _in_turns("l1-filter", share),
    "geometric-median": lambda share: _in_turns("geometric-median", share),
    "network-slimming": lambda share: _method("prune.network-slimming", share=share),
    "structured-sparsity": lambda strength: _method("prune.structured-sparsity", strength=strength),
    "aware": lambda bits: _method("quantize.aware", bits=bits),
    "light-nn": lambda terms: _method("quantize.trained-light-nn", terms=terms),
}


def rungs(ladder: str) -> tuple[float, ...]:
    """Of one of the `LADDERS`: the shares that go, the strengths, or the bits or terms of a weight."""
    return {"structured-sparsity": STRENGTHS, "aware": BITS, "light-nn": TERMS}.get(ladder, SHARES)


def make(model: Model, ladder: str, rung: float, told: Callable[[Progress], None] = lambda progress: None) -> float:
    """Train one of the `rungs` of one of the `LADDERS`, where it is not there; its score on the test images, 0..1.

    Raises WorkbenchError where it cannot be written, or all that is shipped would be more than `CEILING`.
    """
    recipe = Recipe((Step(LADDERS[ladder](rung)),))
    known = ladders.rung(model, recipe)
    if known is not None:
        return known.test
    epochs: list[dict[str, float | None]] = []

    def tell(title: str, progress: Progress) -> None:
        finite = {one: getattr(progress, one) for one in ("share", "loss", "score")}
        epochs.append({one: value if math.isfinite(value) else None for one, value in finite.items()})
        told(progress)

    begun = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        trained = train(model, recipe, Store(Path(temporary)), progress=tell)
        minutes = (perf_counter() - begun) / 60
    assert model.data is not None  # it was trained on it
    data, splits = model.data, (*ladders.SPLITS, "test")
    bits, packed, shipped = _rounded(trained)
    name = f"{ladder}-{100 * rung:.0f}" if rungs(ladder) is SHARES else f"{ladder}-{rung:g}"
    entry = {
        "file": f"{name}.cwb",
        "log": f"{name}.json",
        "recipe": recipe.to_object(),
        "digest": hashlib.sha256(packed).hexdigest(),
        "size": len(packed),
        "bits": bits,
        "seed": recipe.steps[-1].method.seed,  # type: ignore[attr-defined]
        "unrounded": _score(trained, "validation"),
        "validation": _score(shipped, "validation"),
        "test": _score(shipped, "test"),
        "minutes": round(minutes, 2),
    }
    log = {
        "model": model.name,
        "data": data.title,
        **entry,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "images": {split: len(data.split(split)) for split in splits},
        "digests": {split: data.split(split).digest for split in splits},
        "epochs": epochs,
    }
    _keep(model, entry, log, packed)
    return float(entry["test"])


def _rounded(trained: State) -> tuple[int, bytes, State]:
    """Bits of a weight, as few as cost less than `COST`; the file whose weights have so many; what is read from it."""
    enough = _score(trained, "validation") - COST
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "rung.cwb"
        for bits, forms in _widths(trained):
            coded = {name: form.with_coders(tuple(CODERS)) for name, form in forms.items()}
            write(EncodedModel(trained.model, coded), path)
            stored = read(path, trained.model.module, trained.model.data)
            shipped = trained.taking(ladders.restored(stored, bits))
            if bits == ladders.AS_TRAINED or _score(shipped, "validation") > enough:
                break
        return bits, path.read_bytes(), shipped


def _widths(trained: State) -> Iterator[tuple[int, Forms]]:
    """Whole numbers of 8 bits with a scale for each output channel, half precision, and what training gave.

    The last alone where weights were trained for few levels.
    """
    if not any(part.levels for form in trained.forms.values() for part in form.parts):
        yield 8, cast(Layerwise, _method("quantize.uniform", bits=8, per="channel")).apply(trained.forms)
        half = FloatingPoint(exponent=5, mantissa=10)
        halves = {
            name: form.with_parts([part.rounded(half) for part in form.parts]) for name, form in trained.forms.items()
        }
        yield half.bits, halves
    yield ladders.AS_TRAINED, trained.forms


def _score(state: State, split: SplitName) -> float:
    data = state.model.data
    assert data is not None
    return accuracy(state.module(), data.split(split), task=data.task)


def _keep(model: Model, entry: dict[str, Any], log: dict[str, Any], packed: bytes) -> None:
    """The file and its log, and then the entry in the index; entries of another network than today's leave it."""
    shipped = sum(path.stat().st_size for path in ladders.FOLDER.rglob("*.cwb"))
    if shipped + len(packed) > CEILING:
        raise WorkbenchError(f"{entry['file']} is left out: the ladders would be larger than {CEILING:,} bytes.")
    folder, of = ladders.folder(model.name), ladders.of(model)
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / entry["file"], [packed])
    replace(folder / entry["log"], [json.dumps(log, indent=1).encode(), b"\n"])
    index = folder / ladders.INDEX
    before: Any = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {"of": of, "rungs": []}
    others = [one for one in before["rungs"] if before["of"] == of and one["file"] != entry["file"]]
    rungs = sorted([*others, entry], key=lambda one: str(one["file"]))
    replace(index, [json.dumps({"of": of, "rungs": rungs}, indent=1).encode(), b"\n"])


@click.command()
@click.argument("network", type=click.Choice(zoo.names()))
@click.argument("names", type=click.Choice(list(LADDERS)), nargs=-1)
def main(network: str, names: tuple[str, ...]) -> None:
    """Train the ladders NAMES of NETWORK, all that there are by default, and put them into the package."""
    model = load(network)

    def tell(progress: Progress) -> None:
        click.echo(f"  {progress.share:4.0%}  loss {progress.loss:.4f}  validation {progress.score:.2%}")

    try:
        for name in names or LADDERS:
            for rung in rungs(name):
                click.echo(f"{network} {name} {rung:g}: test {make(model, name, rung, tell):.2%}")
    except WorkbenchError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
