"""What became of a layer's weights, in finished text and shares: histogram, zeros, bits, spectrum, filters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from widgets.views import numbers
from widgets.views.axes import Logarithmic, marks, plain
from workbench.insight.bits import Run, Stored, Word
from workbench.insight.distribution import Histogram, Pruned
from workbench.insight.filters import MOST, Filters
from workbench.insight.mask import Mask
from workbench.insight.spectrum import LARGEST, Spectrum

_LEVELS_APART = 64  # levels that are drawn one by one; more of them as marks along the axis
_MARKS = 200
_POINTS = 128  # of a line of singular values
_RUNS = {
    "codes": "codes, one after another",
    "values": "the weights themselves",
    "gaps": "zeros skipped before each weight",
    "bitmap": "one bit a weight: is it zero?",
    "scales": "scale of each grid",
    "zero_points": "code that stands for zero",
    "codebook": "table of levels",
}
_KINDS = {"float32": "32-bit floats", "affine": "levels on a uniform grid", "codebook": "levels in a table"}


def histogram(before: Histogram | None, after: Histogram, gone: Pruned | None) -> dict[str, Any]:
    """Bars of both as shares of the height, on a logarithmic axis of counts. before, gone: None of a factor."""
    shown = [one for one in (before, after) if one is not None]
    tallest = max(int(max(one.counts.max(initial=1), one.zeros, one.on_level.max(initial=1))) for one in shown)
    axis, low, high = Logarithmic(0.5, 1.3 * tallest), after.edges[0], after.edges[-1]
    place = lambda value: _share((value - low) / (high - low))  # noqa: E731
    apart = after.levels.size <= _LEVELS_APART
    return {
        "before": [] if before is None else _heights(axis, before.counts),
        "after": [] if after.levels.size and apart else _heights(axis, after.counts),
        "stems": [[place(level), _share(axis.at(count))] for level, count in _levels(after)] if apart else [],
        "ticks": [] if apart or after.levels.size > _MARKS else [place(level) for level, _ in _levels(after)],
        "zero": {"at": place(0.0), "height": _share(axis.at(after.zeros)), "text": f"{after.zeros:,} zeros"}
        if after.zeros
        else None,
        "band": [place(-gone.threshold), place(gone.threshold)] if gone is not None and _by_size(gone) else None,
        "across": marks(float(low), float(high)),
        "up": axis.marks(),
        "says": _told(after, gone),
        "table": _compared(before, after),
        "label": _aloud(before, after, gone),
    }


def zeros(found: Mask, rows_left: int, columns_left: int, columns: int) -> dict[str, Any]:
    """The picture itself travels as a buffer. columns_left: of the input channels, of which there are `columns`."""
    weights, fullest = found.rows * found.columns, float(found.left.max(initial=0))
    dot = (
        "Each dot is one weight."
        if found.side == 1
        else f"Each dot stands for {found.side} {numbers.TIMES} {found.side} weights, the stronger the more are left: "
        f"at most {numbers.percent(fullest, 0)}."
    )
    share = numbers.percent(found.zeros / weights, 1)
    if not found.zeros:
        dot += " No weight is zero, so the picture is full."
    return {
        "down": found.left.shape[0],
        "across": found.left.shape[1],
        "bits": found.side == 1,
        "fullest": int(np.ceil(255 * fullest)) or 1,
        "says": [dot, "Rows are outputs from the top down, columns are what enters, from the left."],
        "table": [
            ["", "left", "of all"],
            ["Weights", f"{weights - found.zeros:,}", f"{weights:,}"],
            ["Outputs", f"{rows_left:,}", f"{found.rows:,}"],
            ["Inputs", f"{columns_left:,}", f"{columns:,}"],
        ],
        "label": f"Which weights are zero: {found.zeros:,} of {weights:,}, {share}. {rows_left:,} of {found.rows:,} "
        f"outputs and {columns_left:,} of {columns:,} inputs have a weight left.",
    }


def bits(found: Stored) -> dict[str, Any]:
    """Words with their bits as a person reads numbers, the highest first; runs with their first bytes."""
    kind = _KINDS.get(found.values, f"levels: {found.values}")
    says = [f"Stored as {kind}, encoding {found.encoding}."]
    if not found.words:
        says.append(
            "Here a code stands for several weights at once, so no single weight has bits of its own."
            if found.listed == 0 and found.width
            else "Every weight follows from the few numbers below, so none has bits of its own."
        )
    elif found.values != "float32":
        says.append("In the file the first code lies in the lowest bits of the first byte, the next one follows.")
    if found.coded:
        says.append("An entropy coder then writes frequent ones in fewer bits, so the bytes below hold other bits.")
    split = [1, 8, 23] if found.values == "float32" else [found.width]
    return {
        "words": [_word(word, split, found) for word in found.words],
        "head": f"Weight, {len(found.words)} of {found.listed:,}",
        "runs": [_run(run) for run in found.runs],
        "says": says,
        "label": f"The first {len(found.words)} weights as they lie in the file.",
    }


def spectrum(found: Spectrum | None) -> dict[str, Any]:
    if found is None:
        return {"says": [f"This matrix is larger than {LARGEST:,} either way, which takes too long to decompose here."]}
    count = found.before.size
    largest = float(max(found.before.max(initial=0), found.after.max(initial=0))) or 1.0
    seen = found.before[found.before > 1e-4 * largest]
    axis = Logarithmic(float(seen.min(initial=0.5 * largest)) / 1.5, 1.3 * largest)
    places = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.int64))
    span = max(count - 1, 1)
    says = [
        f"{found.holding(0.9):,} of {count:,} directions hold 90{numbers.NBSP}% of the energy, "
        f"{found.holding(0.99):,} hold 99{numbers.NBSP}%."
    ]
    cut = None
    if found.rank is not None:
        kept = numbers.percent(float(found.energy[found.rank - 1]), 1)
        says.insert(0, f"Rank {found.rank:,}: the first {found.rank:,} are kept, and with them {kept} of the energy.")
        cut = {"at": _share((found.rank - 0.5) / span), "text": f"rank {found.rank:,}: {kept} kept"}
    elif np.array_equal(found.before, found.after):
        says.append("The layer is as it came: no direction was cut.")
    else:
        says.append("Rank was not cut here: zeros and rounding bend the line.")
    line = lambda values: [[_share(at / span), _share(axis.at(float(values[at])))] for at in places]  # noqa: E731
    return {
        "before": line(found.before),
        "after": line(found.after),
        "cut": cut,
        "across": marks(1.0, float(count), 6),
        "up": axis.marks(),
        "says": says,
        "table": [
            ["Energy", "directions"],
            *(
                [f"{share:.0%}".replace("%", f"{numbers.NBSP}%"), f"{found.holding(share):,}"]
                for share in (0.5, 0.9, 0.99)
            ),
        ],
        "label": " ".join(["Singular values, largest first, on a logarithmic axis.", *says]),
    }


def filters(found: Filters | None) -> dict[str, Any] | None:
    """The kernels themselves travel as buffers, before and after."""
    if found is None:
        return None
    count, height, width = found.before.shape
    shown = f"All {count:,}" if count == found.total else f"The first {count:,} of {found.total:,}"
    emptied = int((~found.after.reshape(count, -1).any(1)).sum())
    says = [
        f"{shown} kernels of {height} {numbers.TIMES} {width}, original and now.",
        f"Strong colour: far from zero, up to {_plain(found.largest)}. Blank: exactly zero.",
    ]
    if emptied:
        says.append(f"{emptied} of these have nothing left.")
    return {"count": count, "height": height, "width": width, "says": says, "label": " ".join(says), "most": MOST}


def _heights(axis: Logarithmic, counts: NDArray[np.int64]) -> list[float]:
    return [_share(axis.at(count)) for count in counts.tolist()]


def _levels(found: Histogram) -> list[tuple[float, int]]:
    return list(zip(found.levels.tolist(), found.on_level.tolist(), strict=True))


def _share(value: float) -> float:
    return round(float(value), 4)


def _plain(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}".replace("-", numbers.MINUS)


def _told(after: Histogram, gone: Pruned | None) -> list[str]:
    says = [] if gone is not None else ["The layer was taken apart: these are one factor's numbers, new ones."]
    if gone is not None and gone.count:
        how = "most of them not for their size, but for where they stand"
        if _by_size(gone):
            more = gone.count - gone.within
            beside = f", and {more:,} larger ones by rounding or by where they stand" if more else ""
            how = f"every one up to {_plain(gone.threshold)} in size{beside}"
        says.append(f"{gone.count:,} weights became zero: {how}.")
    weights = int(after.counts.sum())
    if weights and after.distinct <= weights // 2:
        says.append(f"The {weights:,} that are left have {after.distinct:,} different values.")
    if not says:
        says.append("The weights are as they came.")
    return says


def _by_size(gone: Pruned) -> bool:
    """Whether size decided about most of what became zero."""
    return gone.within > 0 and 2 * gone.within >= gone.count


def _compared(before: Histogram | None, after: Histogram) -> list[list[str]]:
    shown = [after] if before is None else [before, after]
    rows: list[tuple[str, list[str]]] = [
        ("Weights", [f"{int(one.counts.sum()) + one.zeros:,}" for one in shown]),
        ("Zero", [f"{one.zeros:,}" for one in shown]),
        ("Different", [f"{one.distinct:,}" for one in shown]),
        ("Smallest", [_plain(one.low) for one in shown]),
        ("Largest", [_plain(one.high) for one in shown]),
    ]
    return [["", *(["now"] if before is None else ["original", "now"])], *([name, *texts] for name, texts in rows)]


def _aloud(before: Histogram | None, after: Histogram, gone: Pruned | None) -> str:
    of = "The factor's weights" if before is None else "The weights before and after, over one another"
    return (
        f"{of}, how many of each size, on a logarithmic axis. {after.zeros:,} are zero. {' '.join(_told(after, gone))}"
    )


def _word(word: Word, split: list[int], found: Stored) -> dict[str, Any]:
    row, column = word.place
    whole, pieces, start = word.bits[::-1], [], 0
    for length in split:
        pieces.append(whole[start : start + length])
        start += length
    return {
        "place": f"row {row + 1:,}, column {column + 1:,}",
        "bits": pieces,
        "code": "" if word.code is None else str(word.code),
        "level": _level(word, found),
        "value": _plain(word.value) if word.value else "0",
    }


def _level(word: Word, found: Stored) -> str:
    """How the value follows from the code."""
    if word.code is None:
        return "sign, exponent, fraction"
    if word.value == 0 and any(run.name == "gaps" for run in found.runs):
        return "filler between two weights far apart"
    if word.step is not None and word.point is not None:
        point = plain(word.point, 0 if word.point % 1 == 0 else 1)
        return f"({word.code} {numbers.MINUS} {point}) {numbers.TIMES} {_plain(word.step)}"
    return f"level {word.code} of the table"


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.name.replace("_", " "),
        "what": _RUNS.get(run.name.partition(".")[0], run.part),
        "where": f"byte {run.start:,}",
        "size": numbers.bytes_(run.nbytes),
        "bytes": run.first.tobytes().hex(" "),
        "more": run.nbytes > len(run.first),
    }
