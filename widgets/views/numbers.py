"""How figures are written: kB = 1,000 bytes, 1 MAC = 2 FLOPs, true minus signs, a no-break space before every unit."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.method import Axis

NBSP = "\u00a0"
MINUS = "\u2212"
TIMES = "\u00d7"
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_JOULES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def on_axis(axis: Axis, value: float) -> str:
    """What a slider's value is called: "90 %", "1 bit", "32 bits (float)"."""
    if axis.unit == "%":
        return f"{100 * value:g} %"
    return f"{value:g} bit{'s' if value > 1 else ''}{' (float)' if value == axis.off else ''}"


def significant(value: float) -> str:
    """Three significant figures without an exponent: 1,066; 52.1; 0.142."""
    if value == 0:
        return "0"
    size = abs(value)
    decimals = 0
    while size < 99.95 and decimals < 6:
        size *= 10
        decimals += 1
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def bytes_(count: int) -> str:
    """Such as "812 bytes", "52.1 kB", "1,066 kB", "1.25 MB" (from 10,000 kB)."""
    if count < 1_000:
        return f"{count}{NBSP}bytes"
    if count < 10_000_000:
        return f"{significant(count / 1e3)}{NBSP}kB"
    return f"{significant(count / 1e6)}{NBSP}MB"


def exact_bytes(count: int) -> str:
    return f"{count:,}{NBSP}bytes"


def counted(count: float, unit: str) -> str:
    """Such as "266 k MACs", "12.5 M MACs"."""
    for factor, prefix in _PREFIXES:
        if count >= factor:
            return f"{significant(count / factor)}{NBSP}{prefix}{NBSP}{unit}".rstrip(NBSP)
    return f"{significant(count)}{NBSP}{unit}".rstrip(NBSP)


def joule_unit(value: float) -> tuple[float, str]:
    """The unit in which `value` is written, with its size in joules."""
    return next(((size, unit) for size, unit in _JOULES if abs(value) >= size), _JOULES[-1])


def joules(value: float) -> str:
    if value == 0:
        return f"0{NBSP}J"
    size, unit = joule_unit(value)
    return f"{significant(value / size)}{NBSP}{unit}"


def joule_range(low: float, high: float) -> str:
    """Such as "98.1 to 214 µJ": both ends in the unit of the higher."""
    size, unit = joule_unit(high)
    return f"{significant(low / size)} to {significant(high / size)}{NBSP}{unit}"


def seconds(value: float) -> str:
    """Such as "27.1 µs", "1.24 ms"."""
    size, unit = _second_unit(value)
    return f"{significant(value / size)}{NBSP}{unit}"


def second_range(low: float, high: float) -> str:
    """Such as "26.8 to 27.9 µs": both ends in the unit of the higher."""
    size, unit = _second_unit(high)
    return f"{significant(low / size)} to {significant(high / size)}{NBSP}{unit}"


def _second_unit(value: float) -> tuple[float, str]:
    return next(((size, unit) for size, unit in _SECONDS if value >= size), _SECONDS[-1])


def written(value: float, unit: str) -> str:
    """A figure in its unit: bytes, joules, seconds, or a count of anything else."""
    if unit == "bytes":
        return bytes_(int(value))
    if unit in _IN_UNIT:
        return _IN_UNIT[unit](value)
    return counted(value, unit)


def written_range(low: float, high: float, unit: str) -> str:
    """Such as "98.1 to 214 µJ"."""
    ranges = {"J": joule_range, "s": second_range}
    return ranges[unit](low, high) if unit in ranges else f"{significant(low)} to {written(high, unit)}"


def percent(share: float, decimals: int = 2) -> str:
    """Such as "97.93 %"; a score that fell far below nothing is written short, "−3.4e+40 %"."""
    text = f"{100 * share:.{decimals}f}" if abs(share) < 100 else f"{100 * share:.3g}"
    return f"{text.replace('-', MINUS, 1) if share < 0 else text}{NBSP}%"


def points(change: float) -> str:
    """A change of a share in percentage points, signed: "−0.42 points"."""
    rounded = round(100 * change, 2)
    if rounded == 0:
        return "no change"
    size = f"{abs(rounded):.2f}" if abs(rounded) < 10_000 else f"{abs(rounded):.3g}"
    return f"{'+' if rounded > 0 else MINUS}{size}{NBSP}points"


def percent_change(was: float, now: float) -> str:
    """Such as "−95.1 %", "+3.0 %", or "" where there is nothing to compare with."""
    if was <= 0:
        return ""
    change = round(100 * (now - was) / was, 1)
    if change == 0:
        return ""
    return f"{'+' if change > 0 else MINUS if change < 0 else ''}{abs(change):.1f}{NBSP}%"


def times_range(ratios: Sequence[float], less: str, more: str) -> str:
    """Of a figure that is a range, from was / now of its ends: such as "8.2 to 12.2× less", or "no change"."""
    low, high = min(ratios), max(ratios)
    if low == high == 1:
        return "no change"
    if low < 1 < high:
        return f"from {significant(1 / low)}{TIMES} {more} to {significant(high)}{TIMES} {less}"
    words = less if high > 1 else more
    ends = sorted((low, high) if high > 1 else (1 / high, 1 / low))
    texts = list(dict.fromkeys(f"{end:.2g}" if end < 10 else f"{end:,.0f}" for end in ends))
    return f"{' to '.join(texts)}{TIMES} {words}"


def times(was: float, now: float, less: str, more: str) -> str:
    """Such as "20.5× smaller" or "1.30× larger", in the words given."""
    if was == now:
        return "no change"
    if was <= 0 or now <= 0:
        return "nothing left" if now <= 0 else ""
    ratio = was / now if now < was else now / was
    return f"{significant(ratio)}{TIMES} {less if now < was else more}"


_IN_UNIT = {"J": joules, "s": seconds}
