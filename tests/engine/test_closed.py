"""A session that was closed says so, and keeps what it knew."""

import pytest

import workbench
from workbench.engine.session import Session
from workbench.engine.update import Update
from workbench.errors import WorkbenchError
from workbench.recipe import Recipe


@pytest.fixture
def closed() -> Session:
    session = Session(workbench.load("lenet-300-100/mnist"), images=100)
    session.wait(60)
    session.close()
    return session


def test_it_accepts_nothing_and_its_report_is_the_last_one(closed: Session) -> None:
    for ask in (
        lambda: closed.update(recipe=Recipe.sliders(bits=4)),
        lambda: setattr(closed, "recipe", Recipe.sliders(bits=4)),
        closed.measure_latency,
        lambda: closed.foresee(closed.model, closed.device, [Recipe.sliders(bits=4)], lambda recipe, report: None),
    ):
        with pytest.raises(WorkbenchError, match="closed"):
            ask()
    closed.wait(1)
    assert closed.recipe == Recipe() and closed.report is not None
    assert closed.report.recipe["digest"] == Recipe().digest
    closed.close()


def test_waiting_for_a_move_that_it_did_not_finish_is_an_error() -> None:
    session = Session(workbench.load("resnet-8/fashion-mnist"))
    session.recipe = Recipe.sliders(sparsity=0.5)
    session.close()
    with pytest.raises(WorkbenchError, match="closed"):
        session.wait(60)


def test_an_observer_may_close_it() -> None:
    session = Session(workbench.load("lenet-300-100/mnist"), images=100)
    session.wait(60)
    told: list[str] = []

    def observer(update: Update) -> None:
        told.append(update.stage)
        session.close()

    session.observe(observer)
    session.recipe = Recipe.sliders(bits=3)
    session._worker.join(60)
    assert told[0] == "costs" and not session._worker.is_alive()
