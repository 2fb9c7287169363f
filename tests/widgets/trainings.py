"""The result of a training in the user's Store, without the training."""

import workbench
from workbench.compression.steps import Walk
from workbench.network.state import State
from workbench.store import Store


def keep_result(model: workbench.Model, recipe: workbench.Recipe) -> None:
    """As if the first step of `recipe` had been trained just now, and had left the network as it was."""
    walk = Walk(State.of(model), recipe, lambda: False, False, Store.default())
    walk.keep_result(walk.state, {"stopped": False})


def training_is_over(session: workbench.Session, recipe: workbench.Recipe) -> None:
    """As a job of `recipe` tells it at its end."""
    keep_result(session.model, recipe)
    session._following._over(None)
