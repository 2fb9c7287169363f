"""`workbench bench interaction`: how soon a move of a slider is answered, by the engine and on the page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

from benchmarks import browser, resnet_50, scratch, startup
from benchmarks.kernels import machine
from benchmarks.moves import BUDGET, FIGURES, KINDS, LEAST, moved_layer, recipe, steps, summary
from benchmarks.servers import SURFACES as PAGES
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.models import zoo
from workbench.network.model import Model, load

SURFACES = (*PAGES, "engine", "scratch", "resnet-50")
MOVES = 10


def run(
    models: Sequence[str] = (),
    surfaces: Sequence[str] = SURFACES,
    moves: int = MOVES,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """{"machine", "load", "rows", "sweeps", "startup", "scratch", "large"}; `page` says what the figures are.

    rows: {"surface", "model", "move", "figure", "median", "p95", "moves"}, in milliseconds, and of the costs on a page
    "foreseen": for how many moves it held them already. sweeps: a slider dragged over its length without a stop, a row
    for each page and network. startup: as `startup.measure`, None without
    "voila". scratch: as `scratch.rows`, in seconds. large: as `resnet_50.rows`, in seconds. load: processes that wanted
    to run on average before, over 1, 5 and 15 minutes. models: names in the zoo, all by default. moves: of each slider;
    where they take long, the last ones are cancelled before the exact accuracy. Raises ModelError for an unknown name,
    and WorkbenchError where a page is asked for and Playwright or Chromium is missing.
    """
    names = [zoo.entry(name).name for name in models] or zoo.names()
    result: dict[str, Any] = {"machine": machine(), "load": list(os.getloadavg()), "rows": [], "sweeps": []}
    result |= {"startup": None, "scratch": [], "large": []}
    pages = [surface for surface in PAGES if surface in surfaces]
    if pages:
        with browser.chromium() as chromium:
            for surface in pages:
                rows, sweeps = browser.measure(chromium, surface, names, moves, progress)
                result["rows"] += rows
                result["sweeps"] += sweeps
            if "voila" in pages:
                result["startup"] = startup.measure(chromium, progress)
    if "engine" in surfaces:
        for name in names:
            progress(f"engine: {name}")
            result["rows"] += _engine(load(name), moves)
    if "scratch" in surfaces:
        result["scratch"] = [row.to_dict() for row in scratch.rows(names, progress=progress)]
    if "resnet-50" in surfaces:
        progress("engine: ResNet-50's layer shapes")
        result["large"] = resnet_50.rows()
    return result


def _engine(model: Model, moves: int) -> list[dict[str, Any]]:
    """The session alone, without a page."""
    session = Session(model)
    session.wait()
    rows = []
    layer = moved_layer([one.name for one in model.layers])
    first: dict[str, float] = {}
    start, hurried = 0.0, False

    def answered(update: Update) -> None:
        first.setdefault(update.stage, 1000 * (perf_counter() - start))
        if hurried and update.stage == "accuracy":
            session.cancel()

    session.observe(answered)
    try:
        for kind in KINDS:
            taken: dict[str, list[float]] = {figure: [] for figure in FIGURES}
            untimed, *others = (recipe(kind, step, layer) for step in steps(kind, moves + 1))
            hurried = kind != "layer"
            session.recipe = untimed
            session.wait()
            begun = monotonic()
            for made, wanted in enumerate(others):
                hurried = made >= LEAST and monotonic() - begun > BUDGET
                first.clear()
                start = perf_counter()
                session.recipe = wanted
                session.wait()
                for figure in FIGURES:
                    if (answer := first.get(figure, first.get("exact"))) is not None:
                        taken[figure].append(answer)
            about = {"surface": "engine", "model": model.name, "move": kind}
            rows += [{**about, "figure": figure, **summary(times)} for figure, times in taken.items()]
    finally:
        session.close()
    return rows


def table(result: dict[str, Any]) -> str:
    """The result as Markdown, which also reads well in a terminal."""
    about, (load, *_) = result["machine"], result["load"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, load {load:.1f} before; torch {about['torch']}, "
        f"Numba {about['numba']}, Python {about['python']}.",
    ]
    if result["rows"]:
        lines += [
            "",
            "Milliseconds from the pointer's event to the changed page, median / 95th percentile; in brackets until "
            "the frame that shows it has been painted. Ahead: for how many of the moves the page held size, operations "
            "and energy before the kernel had heard of the move. While nothing else is to be done, the kernel works "
            "these out for all positions of the slider that was moved last, then of the others, as exactly as for a "
            "move, and tells the page; a move begins half a second after the page has settled from the one before. The "
            "engine's milliseconds are from the call to its report, with nothing known ahead.",
            "",
            *_lines(
                [
                    "page",
                    "network",
                    "slider",
                    "moves",
                    "ahead",
                    "size, operations, energy",
                    "first accuracy",
                    "exact accuracy",
                ],
                [
                    [
                        surface,
                        model,
                        kind,
                        _moves(found),
                        _ahead(found["costs"]),
                        *(_pair(found, figure) for figure in FIGURES),
                    ]
                    for (surface, model, kind), found in _grouped(result["rows"]).items()
                ],
            ),
        ]
    if result["sweeps"]:
        lines += [
            "",
            "The sparsity slider dragged over its length without a stop; a browser hands a page that is busy only the "
            "last of the moves that have gathered. Behind: the most moves that the kernel had not answered when an "
            "answer was drawn. Settled: milliseconds from letting go to the exact accuracy.",
            "",
            *_lines(
                [
                    "page",
                    "network",
                    "moves",
                    "in",
                    "ahead",
                    "costs, ms",
                    "costs drawn",
                    "accuracies drawn",
                    "behind",
                    "settled",
                ],
                [_sweep(one) for one in result["sweeps"]],
            ),
        ]
    if result["scratch"]:
        lines += [
            "",
            "The engine beside doing all from scratch for each move (prune, fake-quantise, count FLOPs, run every test "
            "image): milliseconds to the exact accuracy. From scratch takes a `DataLoader` in batches of 256, in a "
            "process of its own; tuned takes the test set as one tensor in batches of 100, in the engine's process, "
            f"which keeps freed memory. Prepared: a step to the slider's next position, {scratch.LOOK} s after the "
            "last one. Moves of a layer are of the last third. The accuracies of the two sides differ by at most "
            f"{100 * max(one['difference'] for one in result['scratch']):.2f} points.",
            "",
            *_lines(
                ["network", "move", "engine", "prepared", "from scratch", "ratio", "tuned", "ratio"],
                [
                    [one["model"], one["move"],
                     *(f"{1000 * one[side]:.0f}" for side in ("engine", "prepared", "scratch")),
                     f"{one['ratio']:.1f}", f"{1000 * one['tuned']:.0f}", f"{one['ratio_tuned']:.1f}"]
                    for one in result["scratch"]
                ],
            ),
        ]  # fmt: skip
    if result["large"]:
        lines += [
            "",
            f"Exact size, operations and energy of {result['large'][0]['weights'] / 1e6:.1f} M weights in ResNet-50's "
            "layer shapes after a global move, milliseconds.",
            "",
            *_lines(
                ["move", "moves", "median / 95th percentile"],
                [[one["move"], str(one["moves"]), f"{1000 * one['median']:.0f} / {1000 * one['p95']:.0f}"]
                 for one in result["large"]],
            ),
        ]  # fmt: skip
    if result["startup"]:
        lines += ["", *_lines(["start-up", "cold", "kernel waiting"], _startup(result["startup"]))]
    return "\n".join(lines) + "\n"


def _grouped(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, dict[str, Any]]]:
    found: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["surface"], row["model"], row["move"]), {})[row["figure"]] = row
    return found


def _moves(found: dict[str, dict[str, Any]]) -> str:
    """Of how many moves the costs and, where it was not waited for each time, the exact accuracy are."""
    made, exact = found["costs"]["moves"], found["exact"]["moves"]
    return str(made) if made == exact else f"{made}, {exact} to the end"


def _ahead(costs: dict[str, Any]) -> str:
    return str(costs.get("foreseen", ""))


def _pair(found: dict[str, dict[str, Any]], figure: str) -> str:
    painted = found.get(f"{figure}, painted")
    return _spread(found[figure]) + (f" ({_spread(painted)})" if painted else "")


def _spread(row: dict[str, Any]) -> str:
    return f"{row['median']:.0f} / {row['p95']:.0f}" if row["moves"] else "none"


def _sweep(one: dict[str, Any]) -> list[str]:
    settled = f"{one['exact_after_release']:.0f}" + ("" if one["last_position_shown"] else ", at another position")
    counts = (one["costs_shown"], one["accuracies_shown"], one["backlog"])
    return [
        one["surface"], one["model"], str(one["moves"]), f"{one['seconds']:.1f} s", _ahead(one), _spread(one["costs"]),
        *map(str, counts), settled,
    ]  # fmt: skip


def _startup(found: dict[str, Any]) -> list[list[str]]:
    pages = (found["cold"], found["warm"])

    def row(name: str, text: Callable[[dict[str, Any]], str]) -> list[str]:
        return [name, *map(text, pages)]

    imported = f"{found['import_seconds']:.3f} s, {'with' if found['imports_torch'] else 'without'} torch"
    return [
        ["import workbench", imported, ""],
        row("first slider live", lambda page: f"{page['slider_seconds']:.1f} s"),
        row("over the websocket", lambda page: f"{page['websocket_bytes'] / 1e6:.2f} MB"),
        row("in all", lambda page: f"{page['all_bytes'] / 1e6:.2f} MB"),
        row("idle kernel, shared pages divided", lambda page: _memory(page, "pss")),
        row("idle kernel, resident", lambda page: _memory(page, "rss")),
    ]


def _memory(page: dict[str, Any], kind: str) -> str:
    return "not told by this system" if page["idle_kernel"] is None else f"{page['idle_kernel'][kind] / 2**20:.0f} MiB"


def _lines(heads: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    ruled = [heads, ["-" * width for width in widths], *rows]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in ruled]


def page(result: dict[str, Any]) -> str:
    """The result as a page of the documentation."""
    about = "Made by `workbench bench interaction --markdown docs/interaction.md`; do not edit by hand."
    return f"# Interaction benchmark\n\n{about}\n\n{table(result)}"
