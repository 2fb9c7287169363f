"""A device: published energy figures from one TOML file in `workbench/devices`, a source beside every number.

A device is priced in one of two ways. `components`: every multiplication, addition and memory access has its price.
`measured`: only whole networks were measured, which gives a price per multiply-accumulate.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.errors import DeviceError
from workbench.shelf import VARIABLE

FOLDER = Path(__file__).parent
# Units a file may use -> their value in SI (joules, joules per bit, bytes, operations).
_JOULES = {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "mJ": 1e-3, "J": 1.0}
_JOULES_PER_BIT = {f"pJ per {bits} bit": 1e-12 / bits for bits in (8, 16, 32, 64)}
_BYTES = {"byte": 1.0}
_MACS = {"MAC": 1.0}
_FORMATS = ("float32", "float16", "int32", "int8")


@dataclass(frozen=True)
class Quantity:
    """One published number, low <= value <= high, in SI units, and where it was published."""

    low: float
    value: float
    high: float
    source: str


@dataclass(frozen=True)
class Gains:
    """What the device's kernels save on compressed weights.

    widths: the widths in bits that it computes with, ascending; a weight takes the narrowest that holds it, or the
    widest there is. zeros: whether multiplications by a zero weight are skipped. why: what this rests on.
    """

    widths: tuple[int, ...]
    zeros: bool
    why: str

    def width(self, bits: int) -> int:
        """The width in which a weight of `bits` is computed."""
        return next((width for width in self.widths if width >= bits), self.widths[-1])


@dataclass(frozen=True)
class Sram:
    """One on-chip memory. capacity: bytes. access: joules per bit."""

    capacity: int
    access: Quantity


@dataclass(frozen=True)
class Components:
    """Prices of single operations.

    multiply, add: joules by number format (float32, float16, int32, int8). sram: smallest first. dram: joules per bit.
    shift: joules of a shift of 32 bits; None where the device's file has no price for it.
    """

    multiply: Mapping[str, Quantity]
    add: Mapping[str, Quantity]
    sram: tuple[Sram, ...]
    dram: Quantity
    shift: Quantity | None = None

    def memory(self, size: float) -> Sram:
        """The smallest on-chip memory that holds `size` bytes, or the largest there is."""
        return next((one for one in self.sram if one.capacity >= size), self.sram[-1])


@dataclass(frozen=True)
class Run:
    """One network that was measured. energy: joules per inference. macs: its multiply-accumulates."""

    network: str
    energy: Quantity
    macs: Quantity


@dataclass(frozen=True, eq=False)
class Device:
    """One device. name: its file's name without ".toml". Either `components` is given or `measured`, never both.

    title: for a selector. summary: what it is. note: one sentence that stands under every energy figure.
    """

    name: str
    title: str
    summary: str
    note: str
    gains: Gains
    components: Components | None
    measured: tuple[Run, ...]

    @classmethod
    def names(cls) -> list[str]:
        """The devices there are, in alphabetical order."""
        return sorted(_files())

    @classmethod
    def load(cls, name: str) -> Device:
        """The device of that name. Raises DeviceError for an unknown one, naming the known ones."""
        path = _files().get(name)
        if path is None:
            raise DeviceError(f"There is no device {name!r}; the known ones are: {', '.join(cls.names())}.")
        return _read(path)

    @classmethod
    def read(cls, path: str | Path) -> Device:
        """A device from a file of one's own. Raises DeviceError naming the file, and the field that is wrong."""
        path = Path(path)
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DeviceError(f"Device file {path.name} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DeviceError(f"Device file {path.name} is not valid TOML: {error}.") from None
        return _device(path.stem, _Table(path.name, "", content))

    @property
    def joules_per_mac(self) -> Quantity:
        """Of a measured device: the first network's price of a multiply-accumulate, and the range over them all."""
        first = self.measured[0]
        return Quantity(
            low=min(run.energy.low / run.macs.value for run in self.measured),
            value=first.energy.value / first.macs.value,
            high=max(run.energy.high / run.macs.value for run in self.measured),
            source=first.energy.source,
        )


def _files() -> dict[str, Path]:
    """By name: those that are shipped, and those of the user's own folder (`workbench.shelf`) under other names."""
    own = os.environ.get(VARIABLE)
    return _found(Path(own).absolute() / "devices" if own else None)


@cache
def _found(own: Path | None) -> dict[str, Path]:
    paths = [*(own.glob("*.toml") if own else ()), *FOLDER.glob("*.toml")]
    return {path.stem: path for path in paths}


@cache
def _read(path: Path) -> Device:
    """Read once: every move of a live session asks for its device."""
    return Device.read(path)


@dataclass(frozen=True)
class _Table:
    """A TOML table being read; every complaint names the file and the field."""

    file: str
    path: str
    content: Any

    def __post_init__(self) -> None:
        if not isinstance(self.content, dict):
            raise self.error("", "must be a table")

    def error(self, field: str, what: str) -> DeviceError:
        where = ".".join(one for one in (self.path, field) if one)
        return DeviceError(f"Device file {self.file}: {where} {what}.")

    def fields(self, *needed: str, optional: tuple[str, ...] = ()) -> None:
        for field in needed:
            if field not in self.content:
                raise self.error(field, "is missing")
        for field in self.content:
            if field not in (*needed, *optional):
                raise self.error(field, "is not a known field")

    def text(self, field: str) -> str:
        value = self.content[field]
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, "must be a text that is not empty")
        return value

    def number(self, field: str) -> float:
        value = self.content[field]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise self.error(field, f"must be a number above 0, not {value!r}")
        return float(value)

    def table(self, field: str) -> _Table:
        return _Table(self.file, ".".join(one for one in (self.path, field) if one), self.content[field])

    def tables(self, field: str) -> tuple[_Table, ...]:
        value = self.content[field]
        if not isinstance(value, list) or not value:
            raise self.error(field, "must be a list of at least one table")
        path = ".".join(one for one in (self.path, field) if one)
        return tuple(_Table(self.file, f"{path}[{index}]", one) for index, one in enumerate(value))

    def quantity(self, field: str, units: Mapping[str, float]) -> Quantity:
        table = self.table(field)
        table.fields("value", "unit", "source", optional=("low", "high"))
        unit = table.text("unit")
        if unit not in units:
            raise table.error("unit", f"must be one of {', '.join(units)}, not {unit!r}")
        low, value, high = (table.number(end if end in table.content else "value") for end in ("low", "value", "high"))
        if not low <= value <= high:
            raise table.error("value", f"must lie between low and high, {low:g} to {high:g}, and is {value:g}")
        return Quantity(low * units[unit], value * units[unit], high * units[unit], table.text("source"))


def _device(name: str, table: _Table) -> Device:
    table.fields("title", "summary", "note", "gains", optional=("components", "measured"))
    if ("components" in table.content) == ("measured" in table.content):
        raise table.error("components", "or measured must be given, and only one of them")
    return Device(
        name=name,
        title=table.text("title"),
        summary=table.text("summary"),
        note=table.text("note"),
        gains=_gains(table.table("gains")),
        components=_components(table.table("components")) if "components" in table.content else None,
        measured=tuple(_run(one) for one in table.tables("measured")) if "measured" in table.content else (),
    )


def _gains(table: _Table) -> Gains:
    table.fields("widths", "zeros", "why")
    widths, zeros = table.content["widths"], table.content["zeros"]
    whole = isinstance(widths, list) and all(type(one) is int and one > 0 for one in widths)
    if not whole or not widths or widths != sorted(set(widths)):
        raise table.error("widths", "must be a list of whole numbers above 0, ascending")
    if not isinstance(zeros, bool):
        raise table.error("zeros", "must be true or false")
    return Gains(tuple(widths), zeros, table.text("why"))


def _components(table: _Table) -> Components:
    table.fields("multiply", "add", "sram", "dram", optional=("shift",))
    prices = {}
    for operation in ("multiply", "add"):
        formats = table.table(operation)
        formats.fields(*_FORMATS)
        prices[operation] = {one: formats.quantity(one, _JOULES) for one in _FORMATS}
    memories: list[Sram] = []
    for one in table.tables("sram"):
        one.fields("capacity", "access")
        capacity = int(one.quantity("capacity", _BYTES).value)
        if memories and capacity <= memories[-1].capacity:
            raise one.error("capacity", "must be above that of the memory before it")
        memories.append(Sram(capacity, one.quantity("access", _JOULES_PER_BIT)))
    dram = table.table("dram")
    dram.fields("access")
    shift = table.quantity("shift", _JOULES) if "shift" in table.content else None
    access = dram.quantity("access", _JOULES_PER_BIT)
    return Components(prices["multiply"], prices["add"], tuple(memories), access, shift)


def _run(table: _Table) -> Run:
    table.fields("network", "energy", "macs")
    return Run(table.text("network"), table.quantity("energy", _JOULES), table.quantity("macs", _MACS))
