"""From a wished outcome to a recipe: settings of each layer that keep within limits and lose as little as can be found.

An anytime search in pieces. What is promised of it is what was measured: sizes and other costs are exact, accuracies
are counted on validation images, and what it did not find is not said to be impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from time import perf_counter, thread_time

import numpy as np
from numpy.typing import NDArray

from workbench.compression.compressed import CompressedModel, compress
from workbench.engine.assessment import DEFAULT_DEVICE
from workbench.errors import RecipeError, resumed
from workbench.method import AxisName, Method
from workbench.methods.factorize.svd import SVD
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.kmeans import KMeans
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.figures import Figure
from workbench.search.allocation import allocate
from workbench.search.goals import Found, Goals, Outcome, Price
from workbench.search.judge import Judge
from workbench.search.rates import BITS, RANKS, SPARSITIES, Chain, Choice, Rates, Settings
from workbench.search.sensitivity import layers_for, one

_FEW = 1000  # images on which layers alone, and small changes of all of them, are judged
_POWER = 3  # of the weights' change, with which the loss of one layer alone was seen to grow
_TRIED = 8  # changes of either direction that are measured in one round, those that promise most
_STEPS = (1, 2, 4, 8, 16, 32)  # percent of sparsity
_WORTH = 0.004  # of the load
_DEARER = (1.15, 1.35, 1.7, 2.2, 3.0, 4.5, 7.0, 12.0)  # loads at which a better one is looked for, in the best one's
_TELLING = 0.05  # of what is measured of layers alone, from which on its end can be told
_EXCHANGING = 0.75  # of the time, after which what is left is for what a better one would cost

Move = tuple[float, str, Choice]  # of one layer, with what it is worth


def solve(
    model: Model,
    goals: Goals,
    *,
    quantiser: Method | None = None,
    coded: bool = True,
    device: str = DEFAULT_DEVICE,
    images: int | None = None,
    seconds: float = 12.0,
    progress: Callable[[Outcome], None] = lambda outcome: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """`search` to its end, or until `cancelled` says so between two pieces: how it stands then."""
    outcome = None
    for outcome in search(
        model, goals, quantiser=quantiser, coded=coded, device=device, images=images, seconds=seconds
    ):
        progress(outcome)
        if cancelled():
            break
    assert outcome is not None
    return outcome


def search(
    model: Model,
    goals: Goals,
    *,
    quantiser: Method | None = None,
    coded: bool = True,
    device: str = DEFAULT_DEVICE,
    images: int | None = None,
    seconds: float = 12.0,
    newest: Callable[[], object] = lambda: None,
) -> Iterator[Outcome]:
    """Look for per-layer settings of sparsity and bits that reach `goals`, a short piece between two yields.

    First each layer alone is measured, then rank, sparsity and bits of all are chosen together (`allocation.allocate`),
    then bytes are exchanged between layers as long as measured accuracy gains by it, in the manner of marginal analysis
    (B. Fox, Discrete optimization via marginal analysis, Management Science 13(3), 1966); last, what a better one would
    cost.

    quantiser: what makes the bits, k-means weight sharing by default. coded: whether entropy coding follows. images:
    how many validation images, all by default. seconds: of work after the layers were measured alone, at most about so
    many; time between two pieces does not count. newest: what a move changes; compressing is left as soon as that
    happens, and begun anew at the next piece. Raises RecipeError, BlankError, DataError, DeviceError.
    """
    yield from _Search(model, goals, Chain(quantiser or KMeans(), coded), device, images, seconds, newest).run()


class _Search:
    def __init__(
        self,
        model: Model,
        goals: Goals,
        chain: Chain,
        device: str,
        images: int | None,
        seconds: float,
        newest: Callable[[], object],
    ) -> None:
        self._model, self._goals, self._chain, self._seconds = model, goals, chain, seconds
        self._newest = newest
        self._judge = Judge(model, images)
        self._few = Judge(model, min(_FEW, len(self._judge)))
        self._methods: dict[AxisName, Method] = {"sparsity": Magnitude(), "bits": chain.quantiser, "rank": SVD()}
        able = set(layers_for(model, self._methods["sparsity"])) & set(layers_for(model, chain.quantiser))
        self._layers = [layer.name for layer in model.layers if layer.name in able]
        if not self._layers:
            raise RecipeError(f"{model.name} has no layer that could be pruned and quantised.")
        limits = goals.limits or {"size": compress(model, Recipe()).size.value}
        factored = [name for name in layers_for(model, self._methods["rank"]) if name in able]
        self._rates = Rates(model, chain, limits, self._layers, factored, device)
        self._outcome = Outcome(goals, "measuring", 0.0, seconds, len(self._judge))
        self._all: dict[str, Found] = {}  # by digest of the recipe
        self._settings: dict[str, Settings] = {}
        self._wrong = np.zeros(len(self._judge))  # how often each image was scored worse than by the original
        self._spent = self._measured = 0.0
        self._slow = 1.0  # seconds of the clock in one of the processor, of late

    def run(self) -> Iterator[Outcome]:
        pieces = self._work()
        while True:
            begun, ran = perf_counter(), thread_time()
            try:
                next(pieces)
            except StopIteration:
                break
            self._spent += thread_time() - ran  # what others take from the processor is not the search's
            self._slow = 0.95 * self._slow + 0.05 * (perf_counter() - begun) / max(thread_time() - ran, 1e-4)
            yield self._standing()
        yield replace(self._outcome, phase="done", share=1.0, left=0.0)

    def _standing(self) -> Outcome:
        left = max(0.0, self._seconds - self._spent)
        if self._outcome.phase == "measuring":
            left += self._spent * (1 / max(self._measured, 1e-3) - 1)
        share = self._spent / max(self._spent + left, 1e-9)
        early = self._outcome.phase == "measuring" and self._measured < _TELLING
        self._outcome = replace(
            self._outcome,
            share=max(self._outcome.share, min(share, 0.99)),
            left=0.0 if early else left * max(self._slow, 1.0),
        )
        return self._outcome

    def _work(self) -> Iterator[None]:
        before = yield from self._judge.original()
        self._before = before
        self._first = yield from self._measure(Recipe(), {})
        self._outcome = replace(self._outcome, original=self._first)
        for share in self._rates.fill():
            self._measured = 0.5 * share
            yield
        self._harm = yield from self._alone()
        self._spent = 0.0
        self._outcome = replace(self._outcome, phase="choosing", share=0.0)
        best = yield from (self._within() if self._goals.limits else self._reaching())
        self._outcome = replace(self._outcome, phase="exchanging")
        yield from self._exchange(best)
        self._outcome = replace(self._outcome, phase="comparing")
        yield from self._dearer()

    def _alone(self) -> Generator[None, None, dict[str, NDArray[np.float64]]]:
        """Layer -> the loss that each of CHOICES is expected to cause.

        It is measured at a few, and carried over to the others by the change of the weights; the part of that which
        the rank has is judged by ranks alone.
        """
        harm = {}
        for number, name in enumerate(reversed(self._layers)):
            damage = self._rates.damage[name].reshape(len(RANKS), -1)
            of_rank = damage.min(axis=1, keepdims=True)
            ranks = np.flatnonzero(np.isfinite(of_rank))[1:]
            some = ranks[len(ranks) // 3 :: max(1, len(ranks) // 3)]
            rank = yield from self._scale(name, [("rank", RANKS[place], of_rank[place, 0]) for place in some])
            rest = yield from self._scale(
                name,
                [
                    *(("sparsity", SPARSITIES[place], damage[0, Choice(sparsity=place).place]) for place in (80, 95)),
                    ("bits", BITS[5], damage[0, Choice(bits=5).place]),
                ],
            )
            there = np.isfinite(damage)
            apart = np.where(there, damage, 0.0) - np.where(there, of_rank, 0.0)
            loss = rank * np.where(there, of_rank, 0.0) ** _POWER + rest * apart**_POWER
            harm[name] = np.where(there, loss, np.inf).ravel()
            self._measured = 0.5 + 0.5 * (number + 1) / len(self._layers)
        return harm

    def _scale(self, name: str, points: list[tuple[AxisName, float, float]]) -> Generator[None, None, float]:
        """Loss of one layer alone in relation to the power of its change, over values of axes with their changes."""
        losses = changes = 0.0
        for axis, value, change in points:
            found = yield from one(self._few, axis, self._methods[axis], name, value, self._newest)
            losses += max(-found.change.value, 0.5 / found.images)
            changes += change**_POWER
        return losses / max(changes, 1e-12)

    def _measure(self, recipe: Recipe, settings: Settings) -> Generator[None, None, Found]:
        """In full, on all images."""
        known = self._all.get(recipe.digest)
        if known is not None:
            return known
        compressed = yield from self._compressed(recipe)
        figures = yield from self._figures(compressed)
        yield
        scores = yield from self._judge.scores(compressed)
        self._wrong += scores < self._before
        values = {name: figure.value for name, figure in figures.items()}
        found = Found(recipe, values, self._judge.accuracy(scores), self._rates.load(figures))
        self._all[recipe.digest] = found
        self._settings[recipe.digest] = dict(settings)
        self._tell()
        return found

    def _compressed(self, recipe: Recipe, keep: bool = False) -> Generator[None, None, CompressedModel]:
        return (
            yield from resumed(
                lambda cancelled: compress(self._model, recipe, cancelled=cancelled, keep=keep), self._newest
            )
        )

    def _figures(self, compressed: CompressedModel) -> Generator[None, None, dict[str, Figure]]:
        return (yield from resumed(lambda _: self._rates.figures(compressed), self._newest))

    def _tell(self) -> None:
        goal = self._goals.accuracy
        reaching = [one for one in self._all.values() if goal is not None and one.accuracy.value >= goal]
        least = min(reaching, key=lambda one: one.load, default=None)
        best = min(self._all.values(), key=self._order)
        self._outcome = replace(self._outcome, best=best, least=least, tried=len(self._all))

    def _order(self, found: Found) -> tuple[float, ...]:
        """The least is the best."""
        if self._goals.limits:
            return (max(found.load, 1.0), -found.accuracy.value, found.load)
        return (0.0 if self._safe(found) else self._goals.accuracy - found.accuracy.low, found.load)  # type: ignore[operator]

    def _safe(self, found: Found) -> bool:
        """Whether other images are likely to show the accuracy asked for, too, as far as the original's do."""
        goal = self._goals.accuracy or 0.0
        sure = found.accuracy.low >= goal
        return sure or (self._first.accuracy.low < goal and found.accuracy.value >= goal)

    def _chosen(self, load: float, no_coarser: Settings | None = None) -> Generator[None, None, Settings]:
        """Settings whose exact load is at most `load` as nearly as the estimates can be made to tell."""
        settings: Settings = allocate(self._rates, self._harm, load, no_coarser)
        for _ in range(4):
            exact = yield from self._exact(settings)
            yield
            again = allocate(self._rates, self._harm, load, no_coarser)
            if again == settings or 0.97 * load <= exact <= load:
                break
            settings = again
        return settings

    def _exact(self, settings: Settings) -> Generator[None, None, float]:
        """The load of settings, by which estimates are then made."""
        compressed = yield from self._compressed(self._chain.recipe(settings))
        figures = yield from self._figures(compressed)
        self._rates.calibrate(settings, figures)
        return self._rates.load(figures)

    def _at(self, load: float, no_coarser: Settings | None = None) -> Generator[None, None, Found]:
        settings = yield from self._chosen(load, no_coarser)
        return (yield from self._measure(self._chain.recipe(settings), settings))

    def _within(self) -> Generator[None, None, Found]:
        """The best within the limits, of a few; the coarser ones tell which images are in danger."""
        for load in (1.0, 0.75, 0.9, 0.97):
            yield from self._at(load)
        assert self._outcome.best is not None
        return self._outcome.best

    def _reaching(self) -> Generator[None, None, Found]:
        """The least load that keeps the accuracy, by bisection."""
        low, high = 0.01, 1.0
        for _ in range(7):
            middle = (low * high) ** 0.5
            found = yield from self._at(middle)
            low, high = (low, middle) if self._safe(found) else (middle, high)
        assert self._outcome.best is not None
        return self._outcome.best

    def _endangered(self) -> NDArray[np.int64]:
        """Places of the images that compressing has cost most often; the others are taken to stay as they are."""
        return np.sort(np.argsort(-self._wrong, kind="stable")[:_FEW])

    @property
    def _late(self) -> bool:
        return self._spent > _EXCHANGING * self._seconds

    def _exchange(self, found: Found) -> Iterator[None]:
        """Round after round, until none gains."""
        settings: Settings | None = self._settings[found.recipe.digest]
        while settings and not self._late:
            which = self._endangered()
            finer, coarser = yield from self._marginal(settings, which)
            if self._goals.limits:
                settings = yield from self._swapped(settings, which, finer, coarser)
            else:
                settings = yield from self._reduced(settings, coarser)

    def _marginal(
        self, settings: Settings, which: NDArray[np.int64]
    ) -> Generator[None, None, tuple[list[Move], list[Move]]]:
        """Moves that gain, the most for their load first, and moves that save, the least loss for it first."""
        yield from self._exact(settings)
        yield
        now = yield from self._sum(settings, which)
        finer, coarser = [], []
        for name, choice in sorted(self._promising(settings), key=lambda move: -self._layers.index(move[0])):
            if self._late:
                break
            score = yield from self._sum({**settings, name: choice}, which)
            saved = self._rates.estimate(settings) - self._rates.estimate({**settings, name: choice})
            if saved < 0 and score > now:
                finer.append(((score - now) / -saved, name, choice))
            elif saved > 0:
                coarser.append(((now - score) / saved, name, choice))
        return sorted(finer, key=lambda move: -move[0]), sorted(coarser, key=lambda move: move[0])

    def _swapped(
        self, settings: Settings, which: NDArray[np.int64], finer: list[Move], coarser: list[Move]
    ) -> Generator[None, None, Settings | None]:
        """What gains most is paid for where it harms least, as long as it gains; None where nothing did."""
        gained = False
        now = yield from self._sum(settings, which)
        for _, name, choice in finer:
            tried = self._paid({**settings, name: choice}, name, coarser)
            if tried is None or self._late:
                continue
            score = yield from self._sum(tried, which)
            if score > now and (yield from self._exact(tried)) <= 1.0:
                settings, now, gained = tried, score, True
                yield from self._measure(self._chain.recipe(tried), tried)
        return settings if gained else None

    def _paid(self, settings: Settings, name: str, coarser: list[Move]) -> Settings | None:
        """With as many of the cheapest savings in other layers as it takes; None where they do not suffice."""
        paid = {name}
        for _, other, choice in coarser:
            if self._rates.estimate(settings) <= 1.0:
                break
            if other not in paid:
                paid.add(other)
                settings = {**settings, other: choice}
        return settings if self._rates.estimate(settings) <= 1.0 else None

    def _reduced(self, settings: Settings, coarser: list[Move]) -> Generator[None, None, Settings | None]:
        """With savings, the least harmful first, as long as the accuracy asked for is kept; None where it never was."""
        gained, changed = False, set()
        for _, name, choice in coarser:
            if self._late or name in changed:
                continue
            changed.add(name)
            tried = {**settings, name: choice}
            found = yield from self._measure(self._chain.recipe(tried), tried)
            if self._safe(found):
                settings, gained = tried, True
        return settings if gained else None

    def _sum(self, settings: Settings, which: NDArray[np.int64]) -> Generator[None, None, float]:
        """Sum of the scores of the images in danger. Coding changes no weight, and is left out."""
        compressed = yield from self._compressed(self._chain.recipe(settings, coded=False), keep=True)
        yield
        scores = yield from self._judge.scores_of(compressed, which)
        return float(scores.sum())

    def _promising(self, settings: Settings) -> list[tuple[str, Choice]]:
        """Layers with a neighbouring choice: of both directions, those with most expected of them for their load."""
        finer: list[Move] = []
        coarser: list[Move] = []
        for name, choice in settings.items():
            for direction, moves in ((-1, finer), (1, coarser)):
                for next_one in self._neighbours(settings, name, direction):
                    harm = self._harm[name][next_one.place] - self._harm[name][choice.place]
                    load = self._rates.estimate({**settings, name: next_one}) - self._rates.estimate(settings)
                    if load * direction < 0:
                        moves.append((harm / load, name, next_one))
        finer.sort(key=lambda move: move[0])
        coarser.sort(key=lambda move: -move[0])
        return [(name, choice) for _, name, choice in (*finer[:_TRIED], *coarser[:_TRIED])]

    def _neighbours(self, settings: Settings, name: str, direction: int) -> Iterator[Choice]:
        """Of one layer: a rank or a bit more or less, and as little sparsity as makes a difference to the load."""
        choice = settings[name]
        for near in (choice.moved("rank", direction), choice.moved("bits", direction)):
            if near is not None and np.isfinite(self._harm[name][near.place]):
                yield near
        for step in _STEPS:
            near = choice.moved("sparsity", direction * step)
            if near is None or not np.isfinite(self._harm[name][near.place]):
                return
            change = self._rates.estimate({**settings, name: near}) / self._rates.estimate(settings) - 1
            if abs(change) >= _WORTH:
                yield near
                return

    def _dearer(self) -> Iterator[None]:
        """Recipes beyond the best one: what a point more costs, and where the accuracy is that was asked for."""
        best = self._outcome.best
        if best is None or not self._settings[best.recipe.digest]:
            return
        settings = self._settings[best.recipe.digest]
        yield from self._exact(settings)
        line = [best]
        for factor in _DEARER:
            found = yield from self._at(best.load * factor, settings)
            line.append(found)
            self._outcome = replace(self._outcome, price=_price(line))
            searching = not self._outcome.met and self._outcome.least is self._first
            enough = found.accuracy.value >= min(best.accuracy.value + 0.01, self._first.accuracy.value)
            if not searching and (enough or self._spent > self._seconds):
                return


def _price(line: list[Found]) -> Price | None:
    """Of one point, between the first two of `line` (from the best on) that it lies between; of less where no more."""
    best = line[0]
    before = best
    for found in sorted(line[1:], key=lambda one: one.load):
        gain = found.accuracy.value - best.accuracy.value
        if gain >= 0.01:
            reached = before.accuracy.value - best.accuracy.value
            share = (0.01 - reached) / (gain - reached)
            return Price(0.01, _more(best, before, found, share))
        if found.accuracy.value > before.accuracy.value:
            before = found
    if before is best:
        return None
    return Price(before.accuracy.value - best.accuracy.value, _more(best, best, before, 1.0))


def _more(best: Found, low: Found, high: Found, share: float) -> dict[str, float]:
    return {
        name: low.costs[name] + share * (high.costs[name] - low.costs[name]) - best.costs[name] for name in best.costs
    }
