"""Training in a process of its own: it goes on when the page is closed, and what it finds is in the Store."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch

from workbench.compression.steps import Walk
from workbench.data import datasets
from workbench.data.datasets import Dataset
from workbench.data.split import SplitName
from workbench.engine.listener import Listener, Training
from workbench.errors import ModelError, WorkbenchError
from workbench.method import Progress
from workbench.models import zoo
from workbench.network.door import accepted
from workbench.network.model import Model
from workbench.network.state import State
from workbench.recipe import Recipe
from workbench.store import Store

MODEL, ORDER = "model.pickle", "order.json"  # what the folder of a job holds


class Job(Listener):
    """The training of what `store` lacks of a recipe, in another process at low priority, which it begins.

    Raises ModelError for a network that another process cannot load.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        store: Store | None = None,
        *,
        progress: Callable[[Training], None] = lambda training: None,
        ended: Callable[[str | None], None] = lambda error: None,
    ) -> None:
        self.error: str | None = None
        self._training = Training(model.name, recipe)
        self._folder = Path(
            tempfile.mkdtemp(prefix="workbench-job-")
        )  # only the user may enter it, and the process empties it
        try:
            _write(self._folder, model, recipe, store or Store.default())
            self._process = _started(self._folder)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        super().__init__(progress, ended)

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._process.pid

    def cancel(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended. Raises TimeoutError, and WorkbenchError where the training failed."""
        super().wait(timeout)
        if self.error is not None:
            raise WorkbenchError(self.error)

    def _listen(self) -> str | None:
        done = False
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = _said(line)
            done = done or "done" in said
            self.error = said.get("error", self.error)
            if "progress" in said:
                self._progress(replace(self._training, title=said["title"], progress=Progress(**said["progress"])))
        code = self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        if not done and self.error is None:
            self.error = f"The training's process ended with code {code}; what it had not finished is lost."
        return self.error


def _started(folder: Path) -> subprocess.Popen[str]:
    """The process that does the job in `folder`.

    It begins with SIGTERM held back, which it inherits from this thread, until it can end in order: it is cancelled as
    well while it still imports torch.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.engine.work", str(folder)],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # the end of this process, or a Ctrl-C in its terminal, is not the job's
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _said(line: str) -> dict[str, Any]:
    """What a line of the process says; nothing where somebody else wrote it."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _write(folder: Path, model: Model, recipe: Recipe, store: Store) -> None:
    own = next((part for part in model.module.modules() if type(part).__module__ == "__main__"), None)
    if own is not None:
        raise ModelError(
            f"Class {type(own).__name__} of {model.name} is defined in a notebook or script, where another process "
            "cannot find it; put it into a module of its own to train."
        )
    shelved = model.data is not None and model.data.name in datasets.names()
    shelved = shelved and datasets.load(model.data.name) is model.data  # type: ignore[union-attr]
    content = {
        "name": model.name,
        "architecture": model.architecture,
        "module": model.module.state_dict() if _rebuilt(model) else model.module,
        "example": torch.zeros(1, *model.input_shape) if model.blank else model.example,
        "halves": {layer.parameter: layer.half for layer in model.layers if layer.half},
        "data": None if model.data is None else model.data.name if shelved else _splits(model.data),
    }
    (folder / MODEL).write_bytes(pickle.dumps(content))
    order = {"recipe": recipe.to_object(), "store": str(store.folder.absolute()), "digest": _digest(model, store)}
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")


def _rebuilt(model: Model) -> bool:
    """Whether its module is built anew from the shelf and given its tensors, as a packed file's is."""
    return model.architecture is not None and not model.blank


def _digest(model: Model, store: Store) -> str:
    """What its results are kept under, before any step: of its weights and of the images that it is trained with."""
    return Walk(State.of(model), Recipe(), lambda: False, False, store).digest


def _splits(data: Dataset) -> dict[str, Any]:
    names: tuple[SplitName, ...] = get_args(SplitName)
    splits = {name: data.split(name) for name in names if data.has(name)}
    arrays = {
        name: (split.images, split.labels) if split.truth is split.labels else (split.images, split.labels, split.truth)
        for name, split in splits.items()
    }
    return {"name": data.name, "splits": arrays, "classes": data.classes, "task": data.task}


def ordered(folder: Path) -> tuple[Model, Recipe, Store]:
    """What `Job` wrote into the folder of a job. It was written by the user's own process, and nobody else can.

    Raises ModelError where this is another network, whose results the user's process would never find.
    """
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    recipe, store = Recipe.from_object(order["recipe"]), Store(Path(order["store"]))
    content = pickle.loads((folder / MODEL).read_bytes())
    module, data, name = content["module"], content["data"], content["name"]
    if isinstance(module, dict):
        tensors, module = module, zoo.build(content["architecture"])
        module.load_state_dict(tensors)
    if isinstance(data, str):
        data = datasets.load(data)
    elif data is not None:
        data = Dataset.from_arrays(data["name"], classes=data["classes"], task=data["task"], **data["splits"])
    module = accepted(module).module
    model = Model.of_accepted(module, content["example"], data, name, content["architecture"], content["halves"])
    if _digest(model, store) != order["digest"]:
        raise ModelError(f"{name} is not the same in another process, so what is trained there would not be its own.")
    return model, recipe, store
