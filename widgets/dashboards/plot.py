"""The part of the dashboard that keeps the points visited, has coarse ones refined, and compares two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from threading import RLock
from typing import Any

from widgets.controls.goals import measure
from widgets.controls.settings import shown
from widgets.dashboards.goals import Goals
from widgets.dashboards.outdated import outdated
from widgets.dashboards.part import Hear, Part, Send
from widgets.views.comparison import comparison
from widgets.views.measures import ACCURACY
from widgets.views.points import (
    UNTOUCHED,
    Point,
    Points,
    coarse,
    compressed_point,
    original_point,
    suggest,
    visit,
)
from widgets.views.tradeoff import Axes, kept, lines, rails, rows
from workbench.accuracy.difference import Difference, difference
from workbench.accuracy.examiner import Examiner
from workbench.compression.compressed import compress
from workbench.compression.ladders import ladder
from workbench.engine.assessment import costs, with_accuracy
from workbench.engine.listener import Training
from workbench.engine.looking import Moment
from workbench.engine.refining import exact_reports
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

_EVERY = 0.25  # seconds between two messages while a slider is dragged
_REFINES = 3.0  # seconds of work on points that were hurried past; what is coarse then leaves
_REACHES = 60.0  # seconds of work on what a training reaches on its way
_SUGGESTS = 20.0  # seconds of work on points that nobody has visited
_SHIPPED = 60.0  # seconds of work on what comes trained with the workbench, and the cuts beside it
# What a first look at a network shows beside it: sparsity and bits of points that lie along its front.
_FIRST = ((0.8, 4), (0.0, 4), (0.5, 4), (0.9, 4), (0.0, 8), (0.7, 4), (0.0, 3), (0.8, 3))


class Plot(Part):
    """Follows `session` for the plot.

    Hears {"kind": "axis", "axis": "x" or "y", "measure"}, {"kind": "goto", "digest"} and {"kind": "compare", "digest"},
    "" for none. Says {"kind": "tradeoff", ...}, see `_told`, with the points that are new or other than they were told
    last; and {"kind": "comparison", "digest", "content", "error"} of the newest move's point and that one.
    """

    def __init__(self, session: Session, send: Send, goals: Goals) -> None:
        super().__init__(session, send)
        self._goals = goals
        self._lock = RLock()
        self._points: Points = {}
        self._models: dict[str, Model] = {}  # that the points are of
        self._axes = Axes()
        self._report: Report | None = None
        self._drawn: dict[str, dict[str, Any]] = {}  # the rows that the page has
        self._plotted = 0.0
        self._pinned = ""
        self._heard = False  # whether there is a page
        self._come = 0  # how many results of the training that runs are points
        self._suggesting: Model | None = None  # the network that points are, or were last, suggested for
        self._beside: set[str] = set()  # methods beside whose cuts the ladders' points of it are, or come
        goals.observe(self._tell)
        self._forget = session.observe(self._updated)

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"axis": self._choose, "goto": self._go, "compare": self._pin}

    def hello(self) -> None:
        with self._lock:
            self._heard = True
            self._drawn = {}
            self._tell()
            if self._report is not None and self._report.compressed.accuracy is not None:
                self._rest()

    def close(self) -> None:
        self._forget()
        self._drop()

    def _drop(self) -> None:
        """Give up what is worked out while nobody moves."""
        for name in ("refine", "suggest", "shipped", "reached"):
            self._session.drop(f"{name} {id(self)}")

    def _choose(self, content: Mapping[str, Any]) -> None:
        axis, chosen = content.get("axis"), measure(content.get("measure")).name
        if axis not in ("x", "y"):
            raise RecipeError(f"There is no axis {shown(axis)}; there are x and y.")
        with self._lock:
            self._axes = replace(self._axes, **{axis: chosen})
            self._tell()

    def _go(self, content: Mapping[str, Any]) -> None:
        """To a point; whoever follows the session sees the controls move."""
        with self._lock:
            point = self._point(content.get("digest"))
        if point.digest != self._session.recipe.digest:
            self._session.update(recipe=Recipe.from_object(point.recipe))

    def _pin(self, content: Mapping[str, Any]) -> None:
        digest = content.get("digest")
        with self._lock:
            self._pinned = self._point(digest).digest if digest != "" else ""
            self._compare()

    def _point(self, digest: Any) -> Point:
        """Of the network that is shown. Raises RecipeError."""
        name = self._session.model.name
        point = None
        if digest == UNTOUCHED and self._report is not None and self._report.model == name:
            point = original_point(self._report)
        elif isinstance(digest, str):
            point = self._points.get((name, digest))
        if point is None:
            raise RecipeError(f"There is no point {shown(digest)} of {name} any more.")
        return point

    def _updated(self, update: Update) -> None:
        """On the session's worker."""
        if update.stage == "training" and update.training is None:  # it is over
            self._come = 0
            self._recheck()
        if update.stage == "training" and update.training is not None:
            self._come_by(update.training)
        if update.stage in ("training", "latency"):
            return
        with self._lock:
            if update.newest:
                self._follow(self._session.model)
            if update.report is not None:
                self._report = update.report
                point = compressed_point(update.report)
                if point is not None:
                    visit(self._points, point)
            settled = update.newest and update.stage in ("exact", "cancelled", "error")
            if settled or time.monotonic() - self._plotted > _EVERY:
                self._tell()
            if settled:
                self._compare()
                self._rest()

    def _follow(self, model: Model) -> None:
        """Points of another network under the same name say nothing of this one."""
        if self._models.setdefault(model.name, model) is not model:
            self._models[model.name] = model
            self._points = {key: one for key, one in self._points.items() if one.model != model.name}
            self._drop()

    def _recheck(self) -> None:
        """What was made with another result of a training leaves."""
        with self._lock:
            gone = outdated(self._points, self._session.model)
            for key in gone:
                del self._points[key]
            if gone:
                self._tell()

    def _rest(self) -> None:
        """Nobody moves: coarse points are refined, the latest first, and some are suggested for a first look."""
        self._recheck()
        session = self._session
        model, recipe, device = session.model, session.recipe, session.device
        if not self._heard or model.data is None:
            return
        run = partial(exact_reports, model, device=device, images=session.images, newest=lambda: session.move)
        if self._suggesting is not model:
            self._suggesting, self._beside = model, set()
            first = [Recipe.sliders(sparsity=sparsity, bits=bits) for sparsity, bits in _FIRST]
            session.pursue(f"suggest {id(self)}", run(recipes=first, seconds=_SUGGESTS), self._suggested, idle=True)
        self._offer_shipped()
        hurried = [one for one in coarse(self._points) if one.model == model.name and one.digest != recipe.digest]
        if hurried:
            again = [Recipe.from_object(one.recipe) for one in hurried]
            session.pursue(
                f"refine {id(self)}",
                run(recipes=again, seconds=_REFINES),
                self._refined,
                lambda _: self._leave(hurried),
                idle=True,
            )

    def _offer_shipped(self) -> None:
        """What comes trained with the workbench becomes points beside the cuts of the methods that are in use."""
        session = self._session
        model, used = session.model, {step.method.name for step in session.recipe.steps}
        if used <= self._beside:
            return
        self._beside |= used  # what was coming, and had not come, is begun again
        recipes = [
            recipe
            for rung in ladder(model)
            if self._beside & {one.steps[-1].method.name for one in rung.beside}
            for recipe in rung.beside
            if (model.name, recipe.digest) not in self._points
        ]
        if recipes:
            run = exact_reports(model, recipes, session.device, session.images, _SHIPPED, newest=lambda: session.move)
            session.pursue(f"shipped {id(self)}", run, self._suggested, idle=True)

    def _come_by(self, training: Training) -> None:
        """What a training has reached on its way becomes points, while it goes on."""
        session = self._session
        with self._lock:
            if not self._heard or training.model != session.model.name or len(training.reached) == self._come:
                return
            self._come = len(training.reached)
        recipes = [one for one in training.reached if (training.model, one.digest) not in self._points]
        run = exact_reports(
            session.model, recipes, session.device, session.images, _REACHES, newest=lambda: session.move
        )
        session.pursue(f"reached {id(self)}", run, self._refined)

    def _suggested(self, report: Report | None) -> None:
        self._add(report, suggest)

    def _refined(self, report: Report | None) -> None:
        self._add(report, visit)

    def _add(self, report: Report | None, how: Callable[[Points, Point], None]) -> None:
        point = None if report is None else compressed_point(report)
        if point is None:
            return
        with self._lock:
            how(self._points, point)
            self._tell()

    def _leave(self, hurried: Iterable[Point]) -> None:
        """What is coarse still was hurried past."""
        with self._lock:
            for point in hurried:
                if not self._points.get(point.key, point).exact:
                    self._points.pop(point.key, None)
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            report = self._report
            if report is None:
                return
            self._plotted = time.monotonic()
            self._send(self._told(report), [])

    def _told(self, report: Report) -> dict[str, Any]:
        """model, score: names. anew: whether the page forgets the points that it has. rows: those that it has not, or
        otherwise, see `rows`; gone: digests. current: digest. x, y: measures. front, knee: digests. rails: see `rails`.
        said: of the goals.
        """
        original = original_point(report)
        points = [point for point in self._points.values() if point.model == report.model]
        drawn = rows(points, original, report.device)
        anew = not self._drawn.keys() & drawn.keys()
        before, self._drawn = {} if anew else self._drawn, drawn
        score = _score(report)
        return {
            "kind": "tradeoff",
            "model": report.model,
            "score": score,
            "anew": anew,
            "rows": [row for digest, row in drawn.items() if before.get(digest) != row],
            "gone": [digest for digest in before if digest not in drawn],
            "current": report.recipe["digest"],
            "x": self._axes.x,
            "y": self._axes.y,
            **lines(points, self._axes, report.device),
            "rails": rails(self._axes, self._goals.limits),
            "said": kept(points, self._goals.limits, self._axes, report.device, score),
        }

    def _compare(self) -> None:
        """Tell what is known of both at once, and then what their answers to the same images say."""
        report, digest = self._report, self._pinned
        if not digest or report is None:
            return
        try:
            pinned = self._point(digest)
        except RecipeError:  # of another network, or left since
            self._pinned = ""
            self._send({"kind": "comparison", "digest": "", "content": None, "error": ""}, [])
            return
        self._say(report, pinned, None)
        self._session.look(f"comparison {id(self)}", partial(self._judge, pinned), partial(self._judged, digest))

    def _judge(self, pinned: Point, moment: Moment) -> tuple[Point, Difference | None]:
        """On the worker: the pinned point with all that is known of it here, and how it differs from the move's."""
        model, images = moment.move.model, self._session.images
        other = compress(model, Recipe.from_object(pinned.recipe), cancelled=moment.cancelled, keep=False)
        report = costs(other, moment.move.device)
        for standing in Examiner(budget=0).accuracies(other, images, moment.cancelled):
            if standing.share == 1.0:
                report = with_accuracy(report, standing)
        found = compressed_point(report)
        assert found is not None
        known = replace(found, label=pinned.label, suggested=pinned.suggested).after(pinned)
        return known, difference(moment.compressed, other, images)

    def _judged(self, digest: str, moment: Moment, found: tuple[Point, Difference | None] | None, error: str) -> None:
        with self._lock:
            if digest != self._pinned:
                return
            if found is None:
                self._send({"kind": "comparison", "digest": digest, "content": None, "error": error}, [])
                return
            point, differs = found
            if point.key in self._points and digest != UNTOUCHED:
                self._points[point.key] = point
                self._tell()
            self._say(moment.report, point, differs)

    def _say(self, report: Report, pinned: Point, differs: Difference | None) -> None:
        current = compressed_point(report)
        if current is None:
            return
        content = comparison(current, pinned, report.device, _score(report), differs)
        self._send({"kind": "comparison", "digest": pinned.digest, "content": content, "error": ""}, [])


def _score(report: Report) -> str:
    """What the images' task calls accuracy."""
    return str(report.data.get("score", ACCURACY.title)) if report.data else ACCURACY.title
