"""The page for people who decide: named choices, three sliders, plain figures, goals, and nothing else to ask for."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

from widgets.controls import sliders
from widgets.controls.position import Position
from widgets.controls.settings import LARGEST_NUMBER, shown
from widgets.dashboards.moves import Moves
from widgets.dashboards.writing import Writing
from widgets.documents import offline, report_html
from widgets.documents.content import Circumstances
from widgets.draw.stakeholders import StakeholdersPage
from widgets.views import stakeholder
from widgets.views.glossary import BADGES
from widgets.views.stakeholder import Goals
from widgets.views.training import left
from workbench.deployment.usage import BATTERIES, Usage
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import RecipeError, WorkbenchError
from workbench.method import AXES, AxisName
from workbench.names import printable, sentence
from workbench.recipe import Recipe
from workbench.report.report import Report
from workbench.search.choices import Choice
from workbench.search.shipped import named
from workbench.search.sweep import Case, Trial, trials
from workbench.tasks import TASKS

_log = logging.getLogger(__name__)
_FIELDS = ("seq", "stops", "usage", "goals")
_PROGRESS_EVERY = 0.1  # seconds
_PAPERS = (
    ("report-html", "Report as a page", "One HTML file with everything that is known of this setting"),
    ("report-pdf", "Report as PDF", "The same to print"),
    (
        "offline",
        "Offline page",
        "One HTML file with these sliders that needs no server; every point is measured first",
    ),
)
_USAGE = (
    ("watt_hours", "Battery holds", "Wh"),
    ("per_day", "Inferences a day", "a day"),
    ("price", "Electricity costs", "€ per kWh"),
)


class Stakeholders:
    """Shows `session` in plain words and moves its three sliders. Display it as the last line of a cell.

    A page may say where its sliders, goals and assumptions stand, that it has been drawn, and that it wants a report or
    the offline page, which are made in memory and handed to it. There is nothing here that trains, reads a file or
    writes one; whatever else a page says is refused with a sentence.
    """

    def __init__(
        self,
        session: Session,
        choices: Sequence[Choice] | None = None,
        usage: Usage | None = None,
        goals: Goals | None = None,
    ) -> None:
        """choices: the named ones; by default those that come with the workbench, for other networks found now, by a
        sweep on the validation images, which takes a minute or more. None are shown without validation images.
        """
        self.session = session
        self._lock = RLock()
        self._choosing, self._measuring = f"choices {id(self)}", f"offline {id(self)}"  # what is pursued
        self._usage, self._goals = usage or Usage(), goals or Goals()
        self._choices = tuple(named(session.model) if choices is None else choices)
        data = session.model.data
        self._shares = data is None or TASKS[data.task].shares
        self._measured: dict[str, Report] = {}  # digest of a choice's recipe -> its report
        self._moves = Moves()
        self._refusal = ""
        self._writing = Writing(self._refuse)
        self._offline: float | None = None  # share of the offline page that has been measured, while it is made
        self._offline_begun = self._sent = 0.0
        recipe = self._first()
        self._position, self._foreign = self._place(recipe)
        self._hears: Mapping[str, Callable[[], None]] = {
            "hello": self._drawn,
            "report-html": lambda: self._write("html"),
            "report-pdf": lambda: self._write("pdf"),
            "offline": self._begin_offline,
            "stop-offline": self._stop_offline,
        }
        self.page = StakeholdersPage(self._moved, self._said, catalogue=self._catalogue(), state=self._state())
        with self._lock:
            self._forget = session.observe(self._updated)
            self._moves.made = session.update(recipe=recipe)
        self._measure_choices()

    def _first(self) -> Recipe:
        """What is shown at first: the choice in the middle, unless the session has a recipe already."""
        if self.session.recipe.steps or not self._choices:
            return self.session.recipe
        return self._choices[len(self._choices) // 2].recipe

    def _repr_mimebundle_(self, **given: Any) -> Any:
        return self.page._repr_mimebundle_(**given)

    def close(self) -> None:
        """Take the page away; the session goes on."""
        self._forget()
        for work in (self._choosing, self._measuring):
            self.session.drop(work)
        self.page.close()

    def _moved(self, content: Any) -> None:
        self._heard(lambda: self._make(content))

    def _said(self, content: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if isinstance(kind, str) and kind in self._hears and set(content) == {"kind"}:
            self._heard(self._hears[kind])
        else:
            self._heard(lambda: _refuse(kind))

    def _heard(self, answer: Callable[[], None]) -> None:
        """Anything wrong becomes a sentence on the page."""
        with self._lock:
            try:
                answer()
            except WorkbenchError as error:
                self._refusal = str(error)
            except Exception as error:  # the page goes on whatever it was asked
                _log.exception("a page's message failed")
                self._refusal = sentence(f"That could not be done: {type(error).__name__}: {error}")
            self._show()

    def _refuse(self, sentence: str) -> None:
        with self._lock:
            self._refusal = sentence
            self._show()

    def _make(self, content: Any) -> None:
        if not isinstance(content, dict) or set(content) != set(_FIELDS):
            raise RecipeError(f"A move of this page must hold exactly {', '.join(_FIELDS)}.")
        seq = content["seq"]
        if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= LARGEST_NUMBER:
            raise RecipeError("The number of a move must be a whole number.")
        if not self._moves.newer(seq):
            return
        stops = _stops(content["stops"])
        usage, goals = Usage(**_only(Usage, content["usage"])), Goals(**_only(Goals, content["goals"]))
        self._refusal = ""
        self._usage, self._goals = usage, goals
        if self._foreign or stops != self._position.stops:
            position = dataclasses.replace(self._position, stops=stops)
            self._moves.make(self.session.update(recipe=position.recipe()))
            self._position, self._foreign = position, False
        else:
            self._moves.keep()

    def _drawn(self) -> None:
        self.page.show_again()

    def _updated(self, update: Update) -> None:
        """On the session's worker."""
        with self._lock:
            if update.stage == "training" or update.move < self._moves.last.move:
                return
            if update.move > self._moves.made:  # made in Python
                self._moves.made = update.move
                self._position, self._foreign = self._place(self.session.recipe)
            narrower = self._moves.hear(update)
            if not narrower or time.monotonic() - self._sent > _PROGRESS_EVERY:
                self._show()

    def _place(self, recipe: Recipe) -> tuple[Position, bool]:
        """Where the sliders stand for a recipe, and whether no place of theirs gives just that."""
        plain = Position(self.session.model.name, self.session.device)
        found = Position.of_recipe(recipe, plain.model, plain.device)
        alike = found is not None and dataclasses.replace(plain, stops=found.stops) == found
        return (found, False) if found is not None and alike else (plain, True)

    def _measure_choices(self) -> None:
        """Their figures are those of this machine, device and test images, whoever chose them."""
        cases = [Case({"choice": choice.rule.name}, choice.recipe) for choice in self._choices]
        if not cases:
            return

        def found(step: tuple[Trial | None, float]) -> None:
            trial, _ = step
            if trial is not None:
                with self._lock:
                    self._measured[trial.case.recipe.digest] = trial.report
                    self._show()

        session = self.session
        self.session.pursue(
            self._choosing, trials(session.model, cases, session.device, session.images, budget=0), found
        )

    def _write(self, kind: str) -> None:
        """On a thread of its own, in memory: the report of the move that is shown, once it is exact."""
        report = self._moves.report
        if report is None or self._moves.last.stage != "exact" or not self._moves.known:
            raise RecipeError("The figures are still being measured; ask for the report in a moment.")
        around = Circumstances(self._usage, self._goals)
        self._refusal = ""

        def write() -> None:
            if kind == "html":
                content, media = report_html.write(report, around).encode(), "text/html"
            else:
                from widgets.documents import report_pdf  # 6 MB in a kernel, of which few are asked for one

                content, media = report_pdf.write(report, around), "application/pdf"
            self.page.offer(f"{_file_name(report)}.{kind}", media, content)

        self._writing.begin(write)

    def _begin_offline(self) -> None:
        """Every point of the page is measured on the session's worker, in pieces; a visitor's moves come first."""
        if self._offline is not None:
            return
        self._offline, self._offline_begun, self._refusal = 0.0, time.monotonic(), ""
        session, around = self.session, Circumstances(self._usage, self._goals)
        points: list[Trial] = []

        def steps() -> Iterator[float]:
            cases = offline.Stops().cases()
            for trial, share in trials(session.model, cases, session.device, session.images, budget=0):
                if trial is not None:
                    points.append(trial)
                yield share

        def found(share: float) -> None:
            with self._lock:
                self._offline = share
                if time.monotonic() - self._sent > _PROGRESS_EVERY:
                    self._show()

        def ended(failure: str) -> None:
            if not failure:
                page = offline.write(points, self._choices, around)
                self.page.offer(
                    f"{_file_name(points[0].report, recipe=False)}-offline.html", "text/html", page.encode()
                )
            with self._lock:
                self._offline, self._refusal = None, failure
                self._show()

        session.pursue(self._measuring, steps(), found, ended)

    def _stop_offline(self) -> None:
        self.session.drop(self._measuring)
        self._offline = None

    def _show(self) -> None:
        self._sent = time.monotonic()
        self.page.show(self._state())

    def _state(self) -> dict[str, Any]:
        moves, report = self._moves, self._moves.report
        said = stakeholder.shown(report, self._usage, self._goals) if report else stakeholder.nothing()
        return {
            "seq": moves.seq,
            "answered": moves.answered,
            "fresh": moves.fresh,
            "stage": moves.last.stage,
            "stops": dict(self._position.stops),
            "usage": dataclasses.asdict(self._usage),
            "goals": dataclasses.asdict(self._goals),
            "choices": [self._card(choice) for choice in self._choices],
            "offline": None if self._offline is None else self._progress(self._offline),
            "said": stakeholder.usage_said(report, self._usage) if report else [],
            "sources": stakeholder.sources(self._usage),
            "error": self._refusal or moves.error or (_FOREIGN if self._foreign else ""),
            **said,
        }

    def _progress(self, share: float) -> dict[str, Any]:
        spent = time.monotonic() - self._offline_begun
        ahead = f", {left(spent / share * (1 - share))}" if share > 0 else ""
        return {"share": share, "text": f"Measuring every point of the offline page, {share:.0%}{ahead}"}

    def _card(self, choice: Choice) -> dict[str, Any]:
        report = self._measured.get(choice.recipe.digest)
        position = Position.of_recipe(choice.recipe, self.session.model.name, self.session.device)
        rule, recipe = choice.rule, choice.recipe.to_object()
        card = stakeholder.choice(rule.title, f"{rule.says(self._shares)}.", report, self._usage, recipe)
        return {**card, "stops": dict(position.stops) if position else {}}

    def _catalogue(self) -> dict[str, Any]:
        model = self.session.model
        data = f"judged by the test images of {model.data.title}" if model.data else "without test images"
        return {
            "title": f"How small can {printable(model.name)} be?",
            "about": f"One neural network, {data}. Pick a version or set one yourself: every figure is of a network "
            "that was really compressed.",
            "sliders": sliders.describe(),
            "words": BADGES,
            "chosen": stakeholder.CHOSEN if self._choices else "",
            "goals": Goals.described(),
            "batteries": [
                {"name": one.name, "title": f"{one.title}, {one.watt_hours:g} Wh", "watt_hours": one.watt_hours}
                for one in BATTERIES.values()
            ],
            "usage": [
                {
                    "key": key,
                    "label": label,
                    "unit": unit,
                    "low": Usage.ranges()[key][0],
                    "high": Usage.ranges()[key][1],
                }
                for key, label, unit in _USAGE
            ],
            "papers": [{"kind": kind, "label": label, "help": about} for kind, label, about in _PAPERS],
        }


_FOREIGN = (
    "The recipe now measured was set in Python and is not one that these sliders can show; moving one replaces it."
)


def _refuse(kind: Any) -> None:
    asked = f" ({shown(kind)})" if isinstance(kind, str) else ""
    raise RecipeError(f"This page is for looking and choosing; what was asked{asked} cannot be done on it.")


def _stops(content: Any) -> dict[AxisName, int]:
    if not isinstance(content, dict) or set(content) != set(AXES):
        raise RecipeError(f"The stops of a move must name exactly {', '.join(AXES)}.")
    ranges = sliders.sliders()
    return {axis: ranges[axis].check(content[axis]) for axis in AXES}


def _only(kind: type[Usage] | type[Goals], content: Any) -> dict[str, Any]:
    """The fields of a page's usage or goals; the values are checked by what is made of them."""
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(content, dict) or set(content) != names:
        raise RecipeError(f"The {kind.__name__.lower()} of a move must hold exactly {', '.join(sorted(names))}.")
    return content


def _file_name(report: Report, recipe: bool = True) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", report.model)
    return f"{name}-{report.recipe['digest'][:8]}" if recipe else name
