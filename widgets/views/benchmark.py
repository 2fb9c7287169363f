"""The kernel benchmark as a picture: how many times faster each kernel is than each opponent, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from widgets.views import numbers
from workbench.errors import FormatError
from workbench.names import printable, sentence

_MOST_ROWS = 10_000
_MOST_OPPONENTS = 8  # as many marks as can be told apart
_LONGEST = 200  # characters of a name
_FIELDS = ("kernel", "case", "threads", "seconds", "opponents", "limit_share")
_TITLES = {
    "pack": "Codes packed into bits",
    "unpack": "Codes unpacked from bits",
    "gemv_lowbit": "Low-bit matrix × vector",
    "gemm_lowbit": "Low-bit matrix × batch",
    "gemm_binary": "Binary matrix × matrix",
    "conv_binary": "Binary convolution",
    "spmm_stream": "Sparse matrix × dense",
    "spmm_block": "Block-sparse matrix × dense",
    "spmm_nm": "N:M-sparse matrix × dense",
    "threshold": "Threshold of a sparsity",
    "fake_quantize": "Rounded weights",
}


def benchmark(result: Any) -> dict[str, Any]:
    """{"machine", "threads", "kernels"} of the object that `workbench bench kernels --json` prints.

    A kernel has name, title, opponents, the axis' ticks ({at, text}), `even` (where the axis stands at 1×) and rows; a
    row has case, threads, time, limit (share of the physical limit as text, "" where unknown), limit_share, label and
    one mark an opponent: {opponent, at, ratio, time, text}. Places on the axis are shares 0..1, from slow to fast.
    Raises FormatError, naming the field, for what is not such an object.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("rows"), list):
        raise FormatError("A kernel benchmark is an object with a machine and a list of rows.")
    rows = result["rows"]
    if len(rows) > _MOST_ROWS:
        raise FormatError(f"The kernel benchmark has {len(rows)} rows; at most {_MOST_ROWS} can be shown.")
    for index, row in enumerate(rows):
        _check(row, f"rows[{index}]")
    names = dict.fromkeys(row["kernel"] for row in rows)
    return {
        "machine": _machine(result.get("machine")),
        "threads": sorted({row["threads"] for row in rows}),
        "kernels": [_kernel(name, [row for row in rows if row["kernel"] == name]) for name in names],
    }


def _kernel(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    opponents = list(dict.fromkeys(one for row in rows for one in row["opponents"]))
    if len(opponents) > _MOST_OPPONENTS:
        raise FormatError(f"Kernel {name!r} has {len(opponents)} opponents; at most {_MOST_OPPONENTS} can be shown.")
    ratios = [seconds / row["seconds"] for row in rows for seconds in row["opponents"].values()]
    low, high = _reach(ratios)
    return {
        "name": name,
        "title": _TITLES.get(name, printable(name)),
        "opponents": [printable(opponent) for opponent in opponents],
        "even": _place(1.0, low, high),
        "ticks": [{"at": _place(one, low, high), "text": f"{one:,.6g}{numbers.TIMES}"} for one in _ticks(low, high)],
        "rows": [_row(row, opponents, low, high) for row in rows],
    }


def _row(row: Mapping[str, Any], opponents: Sequence[str], low: float, high: float) -> dict[str, Any]:
    seconds, share = row["seconds"], row["limit_share"]
    marks: list[dict[str, Any]] = [
        {
            "opponent": opponents.index(name),
            "at": _place(taken / seconds, low, high),
            "ratio": _times(taken / seconds),
            "time": numbers.seconds(taken),
            "text": f"{_against(taken, seconds)} {printable(name)} ({numbers.seconds(taken)})",
        }
        for name, taken in row["opponents"].items()
    ]
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    limit = "" if share is None else numbers.percent(share, 0)
    case = printable(row["case"])
    about = [f"{case}, {threads}: {numbers.seconds(seconds)}", *(mark["text"] for mark in marks)]
    return {
        "case": case,
        "threads": row["threads"],
        "threads_text": threads,
        "time": numbers.seconds(seconds),
        "limit": limit,
        "limit_share": None if share is None else min(share, 1.0),
        "marks": marks,
        "label": "; ".join(about + ([f"{limit} of the physical limit"] if limit else [])),
    }


def _against(taken: float, seconds: float) -> str:
    if taken == seconds:
        return "as fast as"
    return f"{numbers.times(taken, seconds, 'faster', 'slower')} than"


def _times(ratio: float) -> str:
    return f"{numbers.significant(ratio)}{numbers.TIMES}"


def _reach(ratios: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: every ratio and 1×, with a margin on either side."""
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    margin = max((high / low) ** 0.04, 1.15)
    return low / margin, high * margin


def _place(ratio: float, low: float, high: float) -> float:
    return math.log(ratio / low) / math.log(high / low)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every power of ten where they have room, else 1 alone, else every so many powers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 100 else (1,)
    every = 1 if high / low < 1e7 else math.ceil(len(powers) / 6)
    ticks = (step * 10.0**power for power in powers if power % every == 0 for step in steps)
    return [tick for tick in ticks if low <= tick <= high]


def _machine(about: Any) -> str:
    if not isinstance(about, Mapping):
        raise FormatError("The field machine of a kernel benchmark must be an object.")
    processor, cores, features = about.get("processor"), about.get("cores"), about.get("features")
    words = [processor] if isinstance(processor, str) else []
    if isinstance(cores, int):
        words.append(f"{cores} core{'s' if cores > 1 else ''}")
    if isinstance(features, list) and features:
        words.append(f"vector features {', '.join(str(one) for one in features)}")
    words += [f"{name} {about[name]}" for name in ("torch", "numba", "numpy", "python") if name in about]
    return sentence("; ".join(words))


def _check(row: Any, where: str) -> None:
    if not isinstance(row, Mapping) or set(row) != set(_FIELDS):
        raise FormatError(f"The field {where} of a kernel benchmark must hold exactly {', '.join(_FIELDS)}.")
    for name in ("kernel", "case"):
        if not isinstance(row[name], str) or not 0 < len(row[name]) <= _LONGEST:
            raise FormatError(f"The field {where}.{name} must be a text of 1 to {_LONGEST} characters.")
    if not isinstance(row["threads"], int) or isinstance(row["threads"], bool) or row["threads"] < 1:
        raise FormatError(f"The field {where}.threads must be a whole number from 1.")
    if not _positive(row["seconds"]):
        raise FormatError(f"The field {where}.seconds must be a time above zero.")
    opponents = row["opponents"]
    if not isinstance(opponents, Mapping) or not all(
        isinstance(name, str) and len(name) <= _LONGEST and _positive(taken) for name, taken in opponents.items()
    ):
        raise FormatError(f"The field {where}.opponents must map names to times above zero.")
    if row["limit_share"] is not None and not _positive(row["limit_share"]):
        raise FormatError(f"The field {where}.limit_share must be a share above zero, or null.")


def _positive(value: Any) -> bool:
    """A number of a size that a time or a share can have; false for NaN and infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 1e-12 <= value <= 1e9
