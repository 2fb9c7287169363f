"""The process of a training: `python -m workbench.engine.work FOLDER`, started by `workbench.engine.jobs`.

It says what it does in lines of JSON, whether or not anybody still listens, and ends with the best so far on SIGTERM,
which `Job` holds back until then.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from workbench.engine.jobs import ordered
from workbench.engine.priority import give_way
from workbench.engine.running import Announcement
from workbench.engine.training import train
from workbench.errors import WorkbenchError
from workbench.method import Progress
from workbench.names import sentence


def main(folder: Path) -> None:
    """Do the job that `folder` holds, and remove it."""
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    listener = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a user's module prints goes elsewhere

    def say(what: dict[str, Any]) -> None:
        nonlocal listener
        try:
            print(json.dumps(what), file=listener, flush=True)
        except OSError:  # the page that asked for it is closed; the result is kept all the same
            listener = open(os.devnull, "w")  # noqa: PTH123, SIM115 (for as long as the process lives)

    give_way()
    announcement: Announcement | None = None
    failure: str | None = None

    def tell(title: str, found: Progress) -> None:
        say({"title": title, "progress": asdict(found)})
        if announcement is not None:
            announcement.tell(title, found)

    try:
        model, recipe, store = ordered(folder)
        shutil.rmtree(folder, ignore_errors=True)
        announcement = Announcement(store, model.name, recipe)
        train(
            model,
            recipe,
            store,
            progress=tell,
            cancelled=lambda: stopped.is_set() or announcement.stopped(),
        )
    except WorkbenchError as error:
        failure = str(error)
    except Exception as error:  # whoever listens is told in one sentence
        failure = sentence(f"The training failed: {type(error).__name__}: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if announcement is not None:
            announcement.end(failure)
        say({"error": failure} if failure else {"done": True})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
