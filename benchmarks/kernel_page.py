"""The kernel benchmark as Markdown: results of several processors beside each other, one column a processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from widgets.views.benchmark import benchmark
from workbench.errors import FormatError

Result = Mapping[str, Any]  # as `benchmarks.kernels.run` returns it
Place = tuple[str, str, int]  # kernel, case, threads


def read(path: Path) -> Result:
    """The result that `workbench bench kernels --json` printed into a file. Raises FormatError for any other."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        benchmark(result)
        title(result)
        short([result])
    except KeyError as error:
        raise FormatError(f"{path} is of another version of the kernel benchmark: it lacks {error}.") from error
    except (ValueError, FormatError) as error:
        raise FormatError(f"{path} holds no kernel benchmark: {error}") from error
    return result


def page(results: Sequence[Result]) -> str:
    """Every row, a table for each kernel."""
    lines = [
        "# Kernel benchmark",
        "",
        "Made by `workbench bench page docs/kernels/*.json --markdown docs/kernels.md`; do not edit by hand.",
        "",
        *(f"- **{title(one)}**: {_about(one)}" for one in results),
        "",
        "Each cell holds the median of interleaved runs in one process, and how many times longer each opponent takes: "
        "above 1 the kernel is faster. In brackets the share of the physical limit, where one is known.",
    ]
    places = _places(results)
    for kernel in dict.fromkeys(place[0] for place in places):
        lines += ["", f"## {kernel}", ""]
        lines += _table([place for place in places if place[0] == kernel], results, kernel=False)
    return "\n".join(lines) + "\n"


def short(results: Sequence[Result]) -> str:
    """One table of the rows that the README shows, on one thread."""
    shown = {(kernel, case, 1) for one in results for kernel, case in one["quick"]}
    return "\n".join(_table([place for place in _places(results) if place in shown], results, kernel=True)) + "\n"


def title(result: Result) -> str:
    """What a column is called: the processor that the kernels were made for, as LLVM names it."""
    host, target = result["machine"]["host"], result["machine"]["target"]
    return target if target == host else f"{target} (run on {host})"


def _about(result: Result) -> str:
    about = result["machine"]
    limited = "; torch, oneDNN and MKL kept from AVX-512" if about.get("limited") else ""
    return (
        f"{about['cores']} cores, {', '.join(about['features'])}{limited}; torch {about['torch']}, "
        f"Numba {about['numba']}, NumPy {about['numpy']}, Python {about['python']}."
    )


def _places(results: Sequence[Result]) -> list[Place]:
    """In the order of the first result that has each."""
    return list(dict.fromkeys(place for one in results for place in _rows(one)))


def _rows(result: Result) -> dict[Place, Mapping[str, Any]]:
    return {(row["kernel"], row["case"], row["threads"]): row for row in result["rows"]}


def _table(places: Sequence[Place], results: Sequence[Result], *, kernel: bool) -> Iterator[str]:
    heads = [*(["kernel"] if kernel else []), "case", "threads", *map(title, results)]
    yield _cells(heads)
    yield _cells(["---"] * len(heads))
    found = [_rows(one) for one in results]
    for place in places:
        cells = [_cell(rows[place]) if place in rows else "" for rows in found]
        yield _cells([*([place[0]] if kernel else []), place[1], str(place[2]), *cells])


def _cell(row: Mapping[str, Any]) -> str:
    opponents = [f"{taken / row['seconds']:.3g} × {name}" for name, taken in row["opponents"].items()]
    share = [] if row["limit_share"] is None else [f"[{row['limit_share']:.0%}]"]
    return "; ".join([_time(row["seconds"]), *opponents]) + "".join(f" {one}" for one in share)


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
