"""Training in a process of its own: it goes on when the page is closed, and what it finds is in the Store."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import torch

from workbench.data.datasets import Dataset
from workbench.data.split import SplitName
from workbench.errors import ModelError, WorkbenchError
from workbench.method import Progress
from workbench.models import zoo
from workbench.network.model import Model
from workbench.recipe import Recipe
from workbench.store import Store

MODEL, ORDER = "model.pickle", "order.json"  # what the folder of a job holds


class Job:
    """The training of what `store` lacks of a recipe, in another process at low priority.

    progress: called on a thread of the job's with the title of the step that is trained. ended: called there at the
    end, with a sentence where the training failed. Raises ModelError for a network that another process cannot load.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        store: Store | None = None,
        *,
        progress: Callable[[str, Progress], None] = lambda title, progress: None,
        ended: Callable[[str | None], None] = lambda error: None,
    ) -> None:
        self.error: str | None = None
        self._progress, self._ended = progress, ended
        folder = Path(
            tempfile.mkdtemp(prefix="workbench-job-")
        )  # only the user may enter it, and the process empties it
        try:
            _write(folder, model, recipe, store or Store.default())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workbench.engine.work", str(folder)],
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # the end of this process, or a Ctrl-C in its terminal, is not the job's
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._listener = Thread(target=self._listen, name="workbench-job", daemon=True)
        self._listener.start()

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._listener.is_alive()

    def cancel(self) -> None:
        """Have the training end; the best so far is kept."""
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended. Raises TimeoutError, and WorkbenchError where the training failed."""
        self._listener.join(timeout)
        if self.running:
            raise TimeoutError(f"The training has not ended within {timeout} seconds.")
        if self.error is not None:
            raise WorkbenchError(self.error)

    def _listen(self) -> None:
        done = False
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            done = done or "done" in said
            self.error = said.get("error")
            if "progress" in said:
                self._progress(said["title"], Progress(**said["progress"]))
        code = self._process.wait()
        if not done and self.error is None:
            self.error = f"The training's process ended with code {code}; what it had not finished is lost."
        self._ended(self.error)


def _write(folder: Path, model: Model, recipe: Recipe, store: Store) -> None:
    order: dict[str, Any] = {"recipe": recipe.to_object(), "store": str(store.folder.absolute()), "zoo": None}
    if model.architecture and model.name in zoo.names():
        order["zoo"] = model.name
    else:
        own = next((one for one in model.module.modules() if type(one).__module__ == "__main__"), None)
        if own is not None:
            raise ModelError(
                f"Class {type(own).__name__} of {model.name} is defined in a notebook or script, where another process "
                "cannot find it; put it into a module of its own to train."
            )
        content = {
            "module": model.module,
            "input_shape": model.input_shape,
            "name": model.name,
            "data": None if model.data is None else _splits(model.data),
        }
        (folder / MODEL).write_bytes(pickle.dumps(content))
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")


def _splits(data: Dataset) -> dict[str, Any]:
    names: tuple[SplitName, ...] = get_args(SplitName)
    splits = {name: data.split(name) for name in names if data.has(name)}
    arrays = {
        name: (split.images, split.labels) if split.truth is split.labels else (split.images, split.labels, split.truth)
        for name, split in splits.items()
    }
    return {"name": data.name, "splits": arrays, "classes": data.classes, "task": data.task}


def ordered(folder: Path) -> tuple[Model, Recipe, Store]:
    """What `Job` wrote into the folder of a job. It was written by the user's own process, and nobody else can."""
    from workbench.network.model import load

    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    recipe, store = Recipe.from_object(order["recipe"]), Store(Path(order["store"]))
    if order["zoo"]:
        return load(order["zoo"]), recipe, store
    content = pickle.loads((folder / MODEL).read_bytes())
    data = content["data"] and Dataset.from_arrays(
        content["data"]["name"],
        classes=content["data"]["classes"],
        task=content["data"]["task"],
        **content["data"]["splits"],
    )
    example = torch.zeros(1, *content["input_shape"])
    return Model.from_module(content["module"], example, data, content["name"]), recipe, store
