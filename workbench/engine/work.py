"""The process of a training: `python -m workbench.engine.work FOLDER`, started by `workbench.engine.jobs`.

It says what it does in lines of JSON, whether or not anybody still listens, and ends with the best so far on SIGTERM.
"""

from __future__ import annotations

import json
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


def main(folder: Path) -> None:
    """Do the job that `folder` holds, and remove it."""
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    give_way()
    announcement: Announcement | None = None
    failure: str | None = None

    def tell(title: str, found: Progress) -> None:
        _say({"title": title, "progress": asdict(found)})
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
        failure = f"The training failed: {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if announcement is not None:
            announcement.end(failure)
        _say({"error": failure} if failure else {"done": True})


def _say(what: dict[str, Any]) -> None:
    try:
        print(json.dumps(what), flush=True)
    except OSError:  # the page that asked for it is closed; the result is kept all the same
        sys.stdout = open("/dev/null", "w")  # noqa: PTH123, SIM115 (for as long as the process lives)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
