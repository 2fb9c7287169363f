"""What each layer would cost at each of its settings, and how far its weights would be from what they were.

Both are worked out without running an image: costs are what the layer takes in the file or on the device, and the
change is relative, ||W - W'||² / ||W||², 0 where nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.compression.compressed import CompressedModel, compress
from workbench.costs import costs
from workbench.devices.device import Device
from workbench.method import Method
from workbench.methods.coding.entropy import EntropyCoding
from workbench.network.model import Model
from workbench.recipe import Recipe, Step
from workbench.report.figures import Figure

# Stops of the sliders, from one that changes nothing on.
RANKS = (1.0, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01)
SPARSITIES = tuple(percent / 100 for percent in range(100))
BITS = (8, 6, 5, 4, 3, 2, 1)
# What is worked out; sparsities between are interpolated. Factors are small, and bear less.
_WHOLE = ((0, 30, 50, 65, 75, 82, 88, 92, 95, 97, 98, 99), range(len(BITS)))
_FACTORED = ((0, 40, 65, 80), range(1, 6))


@dataclass(frozen=True)
class Choice:
    """The settings of one layer, by their places in RANKS, SPARSITIES and BITS: a higher place compresses more."""

    rank: int = 0
    sparsity: int = 0
    bits: int = 0

    @property
    def place(self) -> int:
        """In a table of all choices."""
        return (self.rank * len(SPARSITIES) + self.sparsity) * len(BITS) + self.bits

    def moved(self, setting: Literal["rank", "sparsity", "bits"], by: int) -> Choice | None:
        """With one setting some places on; None where it ends before."""
        place = getattr(self, setting) + by
        ends = {"rank": RANKS, "sparsity": SPARSITIES, "bits": BITS}
        return replace(self, **{setting: place}) if 0 <= place < len(ends[setting]) else None


_SHAPE = (len(RANKS), len(SPARSITIES), len(BITS))
CHOICES = tuple(Choice(*place) for place in np.ndindex(*_SHAPE))
_PLACES = np.stack(np.unravel_index(np.arange(len(CHOICES)), _SHAPE))  # [settings, choices]


def no_coarser(than: Choice) -> NDArray[np.bool_]:
    """Which of CHOICES compress no more than one of them by any setting."""
    most = np.array([[than.rank], [than.sparsity], [than.bits]])
    return np.logical_and.reduce(most >= _PLACES)


Settings = Mapping[str, Choice]  # by layer
_Table = tuple[NDArray[np.float64], NDArray[np.float64]]  # damage [choices], and costs [metrics, choices]
_tables: Cache[_Table] = Cache(ceiling=2**26)
_NOTHING: _Table = (np.zeros(0), np.zeros((0, 0)))


@dataclass(frozen=True)
class Chain:
    """Which recipes are searched: a rank, magnitude pruning, then `quantiser` of each layer; at last entropy coding.

    But for the rank this is the order of Han, Mao, Dally, Deep Compression, ICLR 2016, without its training. coded:
    whether there is the last.
    """

    quantiser: Method
    coded: bool = True

    def recipe(self, settings: Settings, coded: bool | None = None) -> Recipe:
        """One that the sliders of a page can show."""
        overrides = {
            name: {
                "sparsity": SPARSITIES[choice.sparsity],
                "bits": BITS[choice.bits],
                **({"rank": RANKS[choice.rank]} if choice.rank else {}),
            }
            for name, choice in settings.items()
        }
        steps = Recipe.sliders(methods={"bits": self.quantiser}, overrides=overrides).steps  # type: ignore[arg-type]
        return Recipe((*steps, Step(EntropyCoding())) if (self.coded if coded is None else coded) else steps)


@dataclass(eq=False)
class Rates:
    """The table of one network.

    limits: metric -> what counts as 1 of it. A load is a cost as a share of its limit; of several metrics, the largest.
    factored: those of `layers` that may be given a rank. damage: layer -> relative change of its weights at each of
    CHOICES, inf for those that it has not.
    """

    model: Model
    chain: Chain
    limits: Mapping[str, float]
    layers: Sequence[str]
    factored: Sequence[str]
    device: str
    damage: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _loads: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # layer -> [metrics, choices]

    def __post_init__(self) -> None:
        self._device = Device.load(self.device)
        self._metrics = {cost.name: cost for cost in costs() if cost.name in self.limits}
        count = len(self._metrics)
        self._limits = np.array([self.limits[name] for name in self._metrics])
        self._scale = {name: np.ones(count) for name in self.layers}  # what coding makes of a layer, as last seen
        self._beside = np.zeros(count)  # what no layer has

    def figures(self, compressed: CompressedModel) -> dict[str, Figure]:
        """Those that are limited, exact."""
        found = {name: cost.of(compressed, self._device) for name, cost in self._metrics.items()}
        return {name: figure for name, figure in found.items() if figure is not None}

    def load(self, figures: Mapping[str, Figure]) -> float:
        return max(figure.value / self.limits[name] for name, figure in figures.items())

    def fill(self) -> Iterator[float]:
        """Work the table out, a setting between two yields: the share that is done. It is kept for the next search."""
        for number, name in enumerate(self.layers):
            key = (name, self.chain.quantiser, tuple(self._metrics), self.device)
            damage, values = _tables.get(key, lambda: _NOTHING, self.model, keep=False)
            if not damage.size:
                for done, found in self._worked_out(name):
                    damage, values = found
                    yield (number + done) / len(self.layers)
                kept = (damage, values)
                _tables.get(key, lambda kept=kept: kept, self.model)  # type: ignore[misc]
            self.damage[name] = damage
            self._loads[name] = values / self._limits[:, None]

    def _worked_out(self, name: str) -> Iterator[tuple[float, _Table]]:
        """The share that is done, and the table of one layer, which is whole with the last one."""
        form = self.model.layer(name).form
        before = form.compose()
        norm = max(float(np.square(before, dtype=np.float64).sum()), np.finfo(np.float64).tiny)
        damage = np.full(_SHAPE, np.inf)
        values = np.zeros((len(self._metrics), *_SHAPE))
        table = damage.reshape(-1), values.reshape(len(self._metrics), -1)
        ranks = self._ranks(name)
        for done, rank in enumerate(ranks):
            sparsities, widths = _FACTORED if rank else _WHOLE
            for sparsity, bits in product(sparsities, widths):
                choice = Choice(rank, sparsity, bits)
                compressed = compress(self.model, self.chain.recipe({name: choice}, coded=False), keep=False)
                change = compressed.forms[name].compose() - before
                damage[rank, sparsity, bits] = float(np.square(change, dtype=np.float64).sum()) / norm
                values[:, rank, sparsity, bits] = self._of_layer(self.figures(compressed), name)
                yield done / len(ranks), table
            for bits in widths:
                for column in (damage[rank, :, bits], *values[:, rank, :, bits]):
                    places = np.arange(sparsities[-1] + 1)
                    column[places] = np.interp(places, sparsities, column[list(sparsities)])
        yield 1.0, table

    def _ranks(self, name: str) -> list[int]:
        """Places of the ranks that split the layer into factors of less than half its weights, each of them once."""
        found, last = [0], None
        for place in range(1, len(RANKS)) if name in self.factored else ():
            recipe = Recipe.sliders(overrides={name: {"rank": RANKS[place]}})
            form = compress(self.model, recipe).forms[name]
            if form.rank != last and form.rank is not None and 2 * form.rank < (form.break_even or 0):
                found.append(place)
            last = form.rank
        return found

    def calibrate(self, settings: Settings, figures: Mapping[str, Figure]) -> None:
        """Take the exact figures of settings for what lies near them, too: what coding saves is not in the table."""
        self._beside = self._shares(figures)
        for name in self.layers:
            exact = self._of_layer(figures, name) / self._limits
            self._scale[name] = exact / np.maximum(self._loads[name][:, settings[name].place], 1e-12)
            self._beside = self._beside - exact

    def loads(self, name: str) -> NDArray[np.float64]:
        """[metrics, choices] of a layer, as estimated."""
        return self._scale[name][:, None] * self._loads[name]

    def estimate(self, settings: Settings) -> float:
        """The load of all layers at these settings."""
        parts = [self._scale[name] * self._loads[name][:, choice.place] for name, choice in settings.items()]
        return float((self._beside + np.sum(parts, axis=0)).max())

    def _shares(self, figures: Mapping[str, Figure]) -> NDArray[np.float64]:
        return np.array([figures[name].value for name in self._metrics]) / self._limits

    def _of_layer(self, figures: Mapping[str, Figure], layer: str) -> NDArray[np.float64]:
        """What a layer has of each metric, in its unit."""
        return np.array([figures[name].by_layer.get(layer, 0.0) for name in self._metrics])
