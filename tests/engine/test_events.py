"""Whatever happens to a session on the way, it ends where a new session given the final recipe ends, bit for bit."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import workbench
from workbench.engine.assessment import costs
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.report.report import Report

IMAGES = 1200
NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist", "lenet-300-100/fashion-mnist")
DEVICES = ("horowitz-45nm", "cortex-m7-h7a3")


class Page:
    """What a page does: it shows the newest report that it was sent, and never one of an older move after it."""

    def __init__(self, session: Session) -> None:
        self.shown: Update | None = None
        self.stale: list[tuple[Update, Update]] = []
        self.forget = session.observe(self.draw)

    def draw(self, update: Update) -> None:
        if self.shown is not None and update.move < self.shown.move:
            self.stale.append((self.shown, update))
        self.shown = update


def _recipe(random: np.random.Generator, model: Model) -> Recipe:
    names = [layer.name for layer in model.layers]
    own = {}
    if random.random() < 0.4:
        axis = random.choice(["bits", "sparsity"])
        value = int(random.integers(1, 9)) if axis == "bits" else round(float(random.random()), 2)
        own = {str(random.choice(names)): {str(axis): value}}
    return Recipe.sliders(
        sparsity=round(float(random.choice([0, random.random()])), 2),
        bits=int(random.choice([32, random.integers(1, 9)])),
        rank=round(float(random.choice([1, random.uniform(0.05, 1)])), 2),
        overrides=own,  # type: ignore[arg-type]
    )


_NEW = """
import json, sys, workbench
from workbench.engine.session import Session
model, device, images, recipe = json.load(sys.stdin)
session = Session(workbench.load(model), device, images, workbench.Recipe.from_object(recipe), activations=0)
session.wait(120)
json.dump(session.report.to_dict(), sys.stdout)
"""


def _in_a_new_process(session: Session) -> Any:
    given = json.dumps([session.model.name, session.device, session.images, session.recipe.to_object()])
    ran = subprocess.run([sys.executable, "-c", _NEW], input=given, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thousand_random_events_end_in_the_report_of_a_new_session(seed: int) -> None:
    random = np.random.default_rng(seed)
    networks = [workbench.load(name) for name in NETWORKS]
    session = Session(networks[0], images=IMAGES)
    page = Page(session)
    past: list[Recipe] = [session.recipe]
    wrong: list[Report] = []

    def move() -> None:
        past.append(session.recipe)
        session.recipe = _recipe(random, session.model)

    def sweep() -> None:
        start = int(random.integers(0, 80))
        for percent in range(start, start + int(random.integers(2, 15))):
            session.recipe = Recipe.sliders(sparsity=percent / 100, bits=4)

    def undo() -> None:
        session.recipe = past.pop() if past else Recipe()

    def switch() -> None:
        past.clear()
        session.model = networks[int(random.integers(len(networks)))]

    def device() -> None:
        session.device = DEVICES[int(random.integers(len(DEVICES)))]

    def reload() -> None:
        nonlocal page
        assert not page.stale
        page.forget()
        page = Page(session)
        session.update()

    def pause() -> None:
        time.sleep(float(random.choice([0.0, 0.002, 0.02, 0.25], p=[0.5, 0.3, 0.15, 0.05])))

    def foresee() -> None:
        model, on = session.model, session.device
        recipes = [_recipe(random, model) for _ in range(20)]

        def found(recipe: Recipe, report: Report) -> None:
            if report != costs(workbench.compress(model, recipe), on):
                wrong.append(report)

        session.foresee(model, on, recipes, found)

    def meddle() -> None:
        other = threading.Thread(target=move)  # a move from another thread
        other.start()
        other.join()

    events: list[Callable[[], None]] = [
        move, sweep, undo, switch, device, reload, pause, session.cancel, meddle, foresee,
    ]  # fmt: skip
    weights = np.array([30, 10, 15, 4, 4, 3, 25, 5, 4, 8], float)
    for number in random.choice(len(events), 1000, p=weights / weights.sum()):
        events[number]()
    newest = session.update()  # a cancelled move would stay unfinished
    session.wait(120)
    assert not page.stale
    assert not wrong
    assert page.shown is not None and (page.shown.move, page.shown.stage, page.shown.newest) == (newest, "exact", True)

    assert session.report == page.shown.report and session.report is not None
    assert json.loads(json.dumps(session.report.to_dict())) == _in_a_new_process(session)
    session.close()


def test_a_thousand_events_on_four_threads_end_in_the_report_of_the_newest_recipe() -> None:
    """Whoever comes last has the say; nobody is shown an older move after a newer one, and nobody waits for ever."""
    model = workbench.load(NETWORKS[0])
    session = Session(model, images=200)
    page, failed = Page(session), []

    def meddle(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            for number in range(250):
                match int(random.integers(8)):
                    case 0:
                        session.device = DEVICES[number % 2]
                    case 1:
                        session.cancel()
                    case 2:
                        session.foresee(session.model, session.device, [_recipe(random, model)], lambda *found: None)
                    case 3:
                        session.observe(lambda update: None)()  # a page that is opened and closed
                    case _:
                        session.recipe = _recipe(random, model)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=meddle, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    newest = session.update()
    session.wait(120)
    assert failed == [] and not page.stale
    assert page.shown is not None and (page.shown.move, page.shown.stage) == (newest, "exact")
    expected = workbench.assess(workbench.compress(model, session.recipe), session.device, images=200)
    assert session.report == expected
    session.close()
